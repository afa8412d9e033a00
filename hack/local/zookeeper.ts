import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Processes } from './processes.ts';
import { accepts } from './wait.ts';

/** A ZooKeeper on loopback as the background process `zookeeper`; its data is not for keeping. */
export async function startZooKeeper(
  processes: Processes,
  directory: string,
  port: number,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const config = join(directory, 'zoo.cfg');
  writeFileSync(
    config,
    [
      'tickTime=500',
      `dataDir=${join(directory, 'data')}`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
      'admin.enableServer=false',
      'maxSessionTimeout=60000',
      '',
    ].join('\n'),
  );
  const jars = ['zookeeper', 'slf4j-simple'].map((name) => `/usr/share/java/${name}.jar`);
  await processes.launch(
    {
      name: 'zookeeper',
      program: 'java',
      args: [
        ...['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        ...['-cp', jars.join(':'), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config],
      ],
    },
    () => accepts(port),
  );
}
