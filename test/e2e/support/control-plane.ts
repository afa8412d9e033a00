import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../../api/client/client.ts';
import { httpsTransport, type HttpsTransport } from '../../../api/client/https.ts';
import { createClient } from '../../../api/client/resource-client.ts';
import { systemClock } from '../../../api/machinery/clock.ts';
import { networkResource } from '../../../api/v1/network.ts';
import { ensureCertificates } from '../../../hack/local/certificates.ts';
import { freePorts } from '../../../hack/local/wait.ts';
import type { TestCluster } from '../../support/cluster.ts';
import { Cosmd } from '../../support/cosmd.ts';

/** A second control plane: a cosmd of another cluster name on the Mesos and the ZooKeeper of a cluster. */
export class ControlPlane {
  readonly client: Client;
  readonly #cosmd: Cosmd;
  readonly #transport: HttpsTransport;
  readonly #directory: string;

  private constructor(cosmd: Cosmd, transport: HttpsTransport, directory: string) {
    this.client = createClient(transport);
    this.#cosmd = cosmd;
    this.#transport = transport;
    this.#directory = directory;
  }

  /** Its store is in memory. It offers dev-net. */
  static async start(clusterName: string, on: TestCluster): Promise<ControlPlane> {
    const directory = mkdtempSync(join(tmpdir(), 'mesocosm-control-plane-'));
    const certificates = ensureCertificates(directory);
    const [port = 0] = await freePorts(1);
    const config = {
      clusterName,
      storage: 'memory',
      mesos: { masters: on.emulator.master },
      zookeeper: { connect: on.zookeeper.connectString, sessionTimeoutSeconds: 4 },
    };
    const transport = httpsTransport({
      access: {
        server: `https://127.0.0.1:${port}`,
        ca: readFileSync(certificates.caFile, 'utf8'),
        clientCertificate: readFileSync(certificates.admin.certFile, 'utf8'),
        clientKey: readFileSync(certificates.admin.keyFile, 'utf8'),
      },
      clock: systemClock(),
      userAgent: 'test',
    });
    const plane = new ControlPlane(new Cosmd({ config, port, certificates }), transport, directory);
    try {
      await plane.#cosmd.start();
      await plane.client.of(networkResource).create({
        apiVersion: 'mesocosm.dev/v1',
        kind: 'Network',
        metadata: { name: 'dev-net' },
        spec: {},
      });
      return plane;
    } catch (error) {
      await plane.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#transport.close();
    await this.#cosmd.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
