import { readdirSync, readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

/** Parses every .proto file of a folder into one resolved root; field names stay as written. */
export function loadProtos(folder: string): protobuf.Root {
  const root = new protobuf.Root();
  const files = readdirSync(folder).filter((name) => name.endsWith('.proto'));
  for (const name of files.sort()) {
    protobuf.parse(readFileSync(`${folder}/${name}`, 'utf8'), root, { keepCase: true });
  }
  root.resolveAll();
  return root;
}
