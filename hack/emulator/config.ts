import { parseArgs } from 'node:util';
import { z } from 'zod';
import { fieldPath } from '../../api/machinery/errors.ts';
import { faultsOf, ConfigError, readYamlFile } from '../../controllers/cosmd/yaml-file.ts';

/** One agent, or `count` alike. */
const agentSpec = z.strictObject({
  /** Of several: `db.test` makes `db-1.test`, `db-2.test`, … */
  hostname: z
    .string()
    .regex(/^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$/, 'must be a host name')
    .optional(),
  count: z.int().positive().default(1),
  /** A number is a SCALAR, anything else TEXT, as with `mesos-agent --attributes`. */
  attributes: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  cpus: z.number().positive().default(8),
  mem: z.number().positive().default(8192),
  disk: z.number().positive().default(20000),
});

/** Milliseconds (and a number of pings); the defaults are Mesos' own. */
const timings = z.strictObject({
  allocationInterval: z.number().positive().default(1_000),
  heartbeatInterval: z.number().positive().default(15_000),
  agentPingTimeout: z.number().positive().default(15_000),
  maxAgentPingTimeouts: z.int().positive().default(5),
  agentReregisterTimeout: z.number().positive().default(600_000),
  /** That a restarted agent waits for its executors; Mesos' --executor_reregistration_timeout. */
  agentRecovery: z.number().positive().default(2_000),
  updateRetryMin: z.number().positive().default(10_000),
  updateRetryMax: z.number().positive().default(600_000),
  zkSessionTimeout: z.number().positive().default(10_000),
});

/** What an emulated cluster is made of; the YAML file given with --config has these fields. */
export const emulatorConfig = z.strictObject({
  /** `process`: real processes in real namespaces. `simulated`: states on a clock. */
  mode: z.enum(['process', 'simulated']).default('simulated'),
  masters: z.int().min(1).default(1),
  /** How many, or a description of each. */
  agents: z.union([z.int().min(0), z.array(agentSpec)]).default(3),
  /** `zk://host:port,…/path`: masters elect a leader there. Needed for more than one master. */
  zk: z.string().startsWith('zk://').optional(),
  /** Address on which masters listen. */
  host: z.string().default('127.0.0.1'),
  /** The first master's port and the following; 0 takes free ones. */
  port: z.int().min(0).max(65_535).default(0),
  workDir: z.string().default('.local/emulator'),
  /**
   * CNI configurations; without it sample networks are made: dev-net, data-net, static-net and
   * edge-net.
   */
  cniConfigDir: z.string().optional(),
  cniPluginPath: z.array(z.string()).default(['/usr/lib/cni', '/opt/cni/bin']),
  /** Advertised by process agents; must be reachable from every network of `cniConfigDir`. */
  agentAddress: z.string().optional(),
  /** Of interface names of the sample networks; another for each emulator on a machine. */
  networkPrefix: z.string().max(8).default('mesos'),
  /** First two parts of the sample networks' addresses; by default some that are free. */
  networkBase: z
    .string()
    .regex(/^\d+\.\d+$/)
    .optional(),
  timings: timings.prefault({}),
  /** Of simulated agents' randomness. */
  seed: z.int().optional(),
});

/** As it stands in a file: what has a default may be left out. */
export type EmulatorFile = z.input<typeof emulatorConfig>;
export type EmulatorConfig = z.infer<typeof emulatorConfig>;
export type AgentSpec = z.infer<typeof agentSpec>;

/** Flags win over the file. Throws with the flag or field that is wrong. */
export function parseConfig(args: readonly string[]): EmulatorConfig {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      mode: { type: 'string' },
      masters: { type: 'string' },
      agents: { type: 'string' },
      zk: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      'work-dir': { type: 'string' },
      'cni-config-dir': { type: 'string' },
      'cni-plugin-path': { type: 'string' },
      'agent-address': { type: 'string' },
      'network-prefix': { type: 'string' },
      'network-base': { type: 'string' },
      seed: { type: 'string' },
    },
  });
  // Checked for itself first, so that a fault is named with its line.
  if (values.config !== undefined) readYamlFile(values.config, emulatorConfig);
  const file =
    values.config === undefined
      ? {}
      : readYamlFile(values.config, z.record(z.string(), z.unknown()));
  const given = {
    mode: values.mode,
    masters: number(values.masters),
    agents: number(values.agents),
    zk: values.zk,
    host: values.host,
    port: number(values.port),
    workDir: values['work-dir'],
    cniConfigDir: values['cni-config-dir'],
    cniPluginPath: values['cni-plugin-path']?.split(':'),
    agentAddress: values['agent-address'],
    networkPrefix: values['network-prefix'],
    networkBase: values['network-base'],
    seed: number(values.seed),
  };
  return checked(file, given);
}

/** The file's fields with those of `flags` that are given in their place; throws ConfigError. */
export function checked(
  file: Readonly<Record<string, unknown>>,
  flags: Readonly<Record<string, unknown>>,
): EmulatorConfig {
  const given = Object.fromEntries(
    Object.entries(flags).filter(([, value]) => value !== undefined),
  );
  const result = emulatorConfig.safeParse({ ...file, ...given });
  if (!result.success) {
    const faults = faultsOf(result.error.issues);
    throw new ConfigError(faults.map((one) => `${fieldPath(one.path)}: ${one.message}`).join('\n'));
  }
  if (result.data.masters > 1 && result.data.zk === undefined) {
    throw new ConfigError('masters: several masters need ZooKeeper to elect a leader');
  }
  const names = agentSpecs(result.data).map(({ hostname }) => hostname);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (names.length !== new Set(names).size) {
    throw new ConfigError(`agents: two agents are called ${twice ?? ''}`);
  }
  return result.data;
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

export type NamedAgent = AgentSpec & { hostname: string };

/** One entry for each agent, with a hostname and attributes that spread over racks and zones. */
export function agentSpecs({ agents }: EmulatorConfig): NamedAgent[] {
  const groups = typeof agents === 'number' ? [{ ...agentSpec.parse({}), count: agents }] : agents;
  const each = groups.flatMap((group) =>
    Array.from({ length: group.count }, (_, index) => ({
      ...group,
      count: 1,
      hostname: group.count > 1 ? numbered(group.hostname, index + 1) : group.hostname,
    })),
  );
  return each.map((spec, index) => ({
    ...spec,
    hostname: spec.hostname ?? `agent${index + 1}.test`,
    attributes: spec.attributes ?? { rack: `r${index % 8}`, zone: `z${index % 3}` },
  }));
}

function numbered(hostname: string | undefined, number: number): string | undefined {
  return hostname?.replace(/^[^.]*/, (name) => `${name}-${number}`);
}
