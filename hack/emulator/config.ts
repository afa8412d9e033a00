import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

const agentSpec = z.strictObject({
  hostname: z.string().optional(),
  attributes: z.record(z.string(), z.string()).optional(),
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
  /** That a restarted agent waits for its executors; Mesos waits for silent ones only, 2 s at most. */
  agentRecovery: z.number().positive().default(100),
  updateRetryMin: z.number().positive().default(10_000),
  updateRetryMax: z.number().positive().default(600_000),
  zkSessionTimeout: z.number().positive().default(10_000),
});

/** What an emulated cluster is made of; the YAML file given with --config has these fields. */
const emulatorConfig = z.strictObject({
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
  const file = z
    .record(z.string(), z.unknown())
    .parse(values.config === undefined ? {} : parseYaml(readFileSync(values.config, 'utf8')));
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
  const flags = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  );
  const config = emulatorConfig.parse({ ...file, ...flags });
  if (config.masters > 1 && config.zk === undefined) {
    throw new Error('several masters need --zk to elect a leader');
  }
  return config;
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** One entry for each agent, with a hostname and attributes that spread over racks and zones. */
export function agentSpecs({ agents }: EmulatorConfig): (AgentSpec & { hostname: string })[] {
  const specs =
    typeof agents === 'number' ? Array.from({ length: agents }, () => agentSpec.parse({})) : agents;
  return specs.map((spec, index) => ({
    ...spec,
    hostname: spec.hostname ?? `agent${index + 1}.test`,
    attributes: spec.attributes ?? { rack: `r${index % 8}`, zone: `z${index % 3}` },
  }));
}
