import { z } from 'zod';
import { checked, emulatorConfig, type EmulatorConfig } from '../emulator/config.ts';
import { possibleMode } from './mode.ts';
import { ConfigError, readYamlFile } from '../../controllers/cosmd/yaml-file.ts';

/** `host:port[,…]/path` of a ZooKeeper that is there, or whether one is to be started. */
const zookeeper = z.union([
  z.boolean(),
  z
    .string()
    .regex(
      /^(zk:\/\/)?[^/]+:\d+(\/[^/]+)*$/,
      'must be true, false or host:port[,host:port…][/path]',
    ),
]);

/** The file of `hack/mesos up`: what the emulator knows, and where masters elect their leader. */
const mesosFile = emulatorConfig.omit({ zk: true, workDir: true }).extend({
  zookeeper: zookeeper.default(false),
  networkPrefix: emulatorConfig.shape.networkPrefix.default('memu'),
  mode: emulatorConfig.shape.mode.unwrap().optional(),
});

export interface MesosConfig {
  /** `zk` stands for a place yet to be known. */
  emulator: EmulatorConfig;
  zookeeper: z.infer<typeof zookeeper>;
}

export interface MesosFlags {
  config?: string;
  mode?: string;
  masters?: number;
  agents?: number;
  port?: number;
  zookeeper?: boolean | string;
}

/** Flags win over the file. Throws ConfigError, which names file, line and field. */
export function mesosConfig({ config, ...flags }: MesosFlags): MesosConfig {
  const file = config === undefined ? mesosFile.parse({}) : readYamlFile(config, mesosFile);
  const { zookeeper: fromFile, ...rest } = file;
  const { mode = file.mode ?? possibleMode(), masters, agents, port } = flags;
  const election = zookeeper.safeParse(flags.zookeeper ?? fromFile);
  if (!election.success) {
    throw new ConfigError(`zookeeper: ${election.error.issues[0]?.message ?? 'invalid'}`);
  }
  // Whether that many masters can elect a leader; where they will is known once ZooKeeper runs.
  const zk = election.data === false ? undefined : 'zk://127.0.0.1:2181/mesos';
  const emulator = checked(rest, { mode, masters, agents, port, zk });
  return { emulator, zookeeper: election.data };
}

/** `zk://host:port,…/path`. */
export function zkUrl(address: string): string {
  const bare = address.replace(/^zk:\/\//, '');
  return `zk://${bare}${bare.includes('/') ? '' : '/mesos'}`;
}
