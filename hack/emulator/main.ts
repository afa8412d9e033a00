/**
 * The emulated Mesos cluster. Run without arguments for a master and three simulated agents; see
 * config.ts for the flags. Prints one line of JSON once everything answers, and ends on SIGTERM.
 */
import { fileURLToPath } from 'node:url';
import { parseConfig } from './config.ts';
import { serveControl } from './control.ts';
import { ProcessEmulator } from './process-emulator.ts';
import { log, runAgent, runMaster } from './roles.ts';
import { SimulatedEmulator } from './simulated-emulator.ts';

// Whoever read what we say may be gone; that must not keep us from undoing what we made.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const [role, argument = ''] = process.argv.slice(2);
if (role === 'master') await runMaster(argument);
else if (role === 'agent') await runAgent(argument);
else await runCluster(process.argv.slice(2));

async function runCluster(args: readonly string[]): Promise<void> {
  const config = parseConfig(args);
  const say = (message: string): void => {
    log('emulator', message);
  };
  const emulator =
    config.mode === 'process'
      ? new ProcessEmulator(config, fileURLToPath(import.meta.url), say)
      : new SimulatedEmulator(config, say);
  let ending = false;
  const end = async (code: number): Promise<void> => {
    if (ending) return;
    ending = true;
    await emulator.stop();
    process.exit(code);
  };
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => void end(0));
  }
  try {
    await emulator.start();
    const control = await serveControl(emulator);
    const description = { ...emulator.describe(), control: `127.0.0.1:${control.port}` };
    process.stdout.write(`${JSON.stringify(description)}\n`);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    await end(1);
  }
}
