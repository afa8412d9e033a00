import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { CommandError } from '../errors.ts';
import type { ParsedText } from './documents.ts';
import { parseManifests } from './documents.ts';

/** Bound of one file; an object has at most 1.5 MiB. */
const maxFileBytes = 32 * 1024 * 1024;

const manifestName = /\.(?:ya?ml|json)$/;

/** The objects of all files, in their order: those of a directory by name; `-` is standard input. */
export async function readManifests(
  context: Context,
  names: readonly string[],
  recursive: boolean,
): Promise<ParsedText> {
  const all: ParsedText = { manifests: [], problems: [] };
  for (const name of names) {
    const texts = await readSource(context, name, recursive);
    for (const { source, text } of texts) {
      const { manifests, problems } = parseManifests(source, text);
      all.manifests.push(...manifests);
      all.problems.push(...problems);
    }
  }
  return all;
}

interface SourceText {
  source: string;
  text: string;
}

async function readSource(
  context: Context,
  name: string,
  recursive: boolean,
): Promise<SourceText[]> {
  if (name === '-') return [{ source: 'stdin', text: await context.readStdin(maxFileBytes) }];
  const info = await accessing(name, () => stat(resolve(context.cwd, name)));
  const files = info.isDirectory() ? await filesOf(context, name, recursive) : [name];
  if (files.length === 0) {
    const hint = recursive ? '' : '; -R looks into the directories below it too';
    throw new CommandError('usage', `${name} has no file ending in .yaml, .yml or .json${hint}`);
  }
  return Promise.all(files.map((file) => readText(context, file)));
}

async function readText(context: Context, file: string): Promise<SourceText> {
  const path = resolve(context.cwd, file);
  const { size } = await accessing(file, () => stat(path));
  if (size > maxFileBytes) {
    throw new CommandError('failed', `${file} is longer than ${maxFileBytes} bytes`);
  }
  return { source: file, text: await accessing(file, () => readFile(path, 'utf8')) };
}

async function filesOf(context: Context, directory: string, recursive: boolean): Promise<string[]> {
  const path = resolve(context.cwd, directory);
  const entries = await accessing(directory, () => readdir(path, { withFileTypes: true }));
  entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  const nested = await Promise.all(
    entries.map(async (entry): Promise<string[]> => {
      const name = join(directory, entry.name);
      if (entry.isDirectory()) return recursive ? await filesOf(context, name, true) : [];
      return manifestName.test(entry.name) ? [name] : [];
    }),
  );
  return nested.flat();
}

async function accessing<T>(name: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError('usage', `cannot read ${name}: ${message}`, error);
  }
}
