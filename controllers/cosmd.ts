import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../api/machinery/clock.ts';
import { systemRandom } from '../api/machinery/random.ts';
import { ConfigError, loadConfig, type Role } from './cosmd/config.ts';
import { createLogger } from './cosmd/logger.ts';
import { runCosmd } from './cosmd/run.ts';
import { version } from './cosmd/version.ts';

const known: readonly Role[] = ['api', 'controllers'];

function parseRoles(text: string): Role[] {
  return text.split(',').map((name) => {
    const role = known.find((candidate) => candidate === name.trim());
    if (role === undefined) {
      throw new InvalidArgumentError(`"${name}" is no role; the roles are ${known.join(', ')}`);
    }
    return role;
  });
}

interface Options {
  config: string;
  roles: Role[];
}

async function main(): Promise<void> {
  const program = new Command('cosmd')
    .description('The daemon of Mesocosm: serves the API and runs the controllers.')
    .version(version)
    .requiredOption('-c, --config <file>', 'cosmd.yaml; the README lists its fields')
    .option('--roles <roles>', 'what this process does: api, controllers or both', parseRoles, [
      ...known,
    ])
    .addHelpText(
      'after',
      '\nEnds with 0 after TERM or INT, 1 after a failure, 2 for a configuration that it cannot use.',
    )
    .parse();
  const { config: file, roles } = program.opts<Options>();
  const config = loadConfig(file, roles);
  const logger = createLogger(config);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  try {
    await runCosmd(
      { config, roles, logger, clock: systemClock(), random: systemRandom() },
      stop.signal,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    logger.fatal({ err: error }, 'cosmd failed');
    process.exitCode = 1;
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`cosmd: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
