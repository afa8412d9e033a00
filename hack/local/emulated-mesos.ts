import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { EmulatorFile } from '../emulator/config.ts';
import type { EmulatorDescription } from '../emulator/emulator.ts';
import { Processes } from './processes.ts';

const description = z.custom<EmulatorDescription>(
  (value) => typeof value === 'object' && value !== null && 'masters' in value,
);

/** Masters and agents end by themselves when their parent is killed; this is more than it takes. */
const endWithinMs = 30_000;

/** The bundles lie beside each other. */
export const emulatorProgram = join(dirname(fileURLToPath(import.meta.url)), 'emulator.mjs');

/** The emulator as one of a cluster's background processes; all that it writes is in `directory`. */
export class EmulatedMesos {
  readonly #processes: Processes;
  readonly #workDir: string;
  readonly #file: string;

  constructor(processes: Processes, directory: string) {
    this.#processes = processes;
    this.#workDir = join(directory, 'mesos');
    this.#file = join(directory, 'emulator.yaml');
  }

  /** Starts it and waits until every master and agent is there. */
  async start(config: EmulatorFile): Promise<EmulatorDescription> {
    mkdirSync(dirname(this.#file), { recursive: true });
    // YAML is a superset of JSON.
    writeFileSync(this.#file, JSON.stringify({ ...config, workDir: this.#workDir }, undefined, 2));
    await this.#launch('emulator', this.#file);
    const started = this.#announcement('emulator');
    if (started === undefined) throw new Error('the emulator did not say where it is');
    return started;
  }

  /**
   * What one that was killed left behind: processes that were stopped at that time, tasks, namespaces
   * and bridges. An emulator that starts on its directory finds them, and removes them when it ends.
   */
  async sweep(): Promise<void> {
    if (!existsSync(this.#file) || !existsSync(this.#workDir)) return;
    await new Processes(this.#workDir).stopAll(endWithinMs);
    const config = z
      .looseObject({ mode: z.string().optional() })
      .parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    if (config.mode !== 'process') return;
    const file = `${this.#file}.sweep`;
    writeFileSync(file, JSON.stringify({ ...config, zk: undefined, masters: 1, port: 0 }));
    await this.#launch('sweep', file);
  }

  async #launch(name: string, file: string): Promise<void> {
    const args = [emulatorProgram, '--config', file];
    await this.#processes.launch(
      { name, program: process.execPath, args },
      () => this.#announcement(name) !== undefined,
    );
  }

  /** The line of JSON that it prints once everything answers. */
  #announcement(name: string): EmulatorDescription | undefined {
    const log = this.#processes.logOf(name);
    if (!existsSync(log)) return undefined;
    const line = /^\{"mode".*\}$/m.exec(readFileSync(log, 'utf8'));
    return line === null ? undefined : description.parse(JSON.parse(line[0]));
  }
}
