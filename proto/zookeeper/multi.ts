import type { MultiOperation, MultiResult } from './client.ts';
import { codeOf, malformed, MultiError } from './errors.ts';
import type { JuteReader, JuteWriter } from './jute.ts';
import { encodeCreate, type Operation } from './operations.ts';
import { decodeStat, opcode } from './records.ts';

const endOfOperations = -1;
const errorResult = -1;
/** RUNTIME_INCONSISTENCY: what the server gives for operations that it did not come to. */
const notTried = -2;

/** The reply's header says 0 also for a refused multi: each operation carries its own code. */
export function multi(operations: readonly MultiOperation[]): Operation<MultiResult[]> {
  return {
    description: `multi of ${operations.length}`,
    opcode: opcode.multi,
    encode: (writer) => {
      for (const operation of operations) {
        writer.int(opcode[operation.type]).boolean(false).int(-1);
        encodeOperation(writer, operation);
      }
      writer.int(endOfOperations).boolean(true).int(-1);
    },
    decode: (reader) => decodeResults(reader, operations),
  };
}

function encodeOperation(writer: JuteWriter, operation: MultiOperation): void {
  switch (operation.type) {
    case 'create':
      encodeCreate(writer, operation.path, operation.data, operation);
      break;
    case 'delete':
      writer.string(operation.path).int(operation.version ?? -1);
      break;
    case 'setData':
      writer
        .string(operation.path)
        .buffer(operation.data)
        .int(operation.version ?? -1);
      break;
    case 'check':
      writer.string(operation.path).int(operation.version);
      break;
  }
}

function decodeResults(reader: JuteReader, operations: readonly MultiOperation[]): MultiResult[] {
  const results: MultiResult[] = [];
  const errors: number[] = [];
  for (const operation of operations) {
    const type = reader.int();
    const done = reader.boolean();
    reader.int();
    if (done) throw malformed('multi reply ends early');
    if (type === errorResult) errors.push(reader.int());
    else if (type === opcode[operation.type]) results.push(decodeResult(reader, operation));
    else throw malformed(`multi reply answers ${operation.type} with type ${type}`);
  }
  reader.int();
  if (!reader.boolean()) throw malformed('multi reply does not end');
  if (errors.length > 0) throw refusal(errors, operations);
  return results;
}

function decodeResult(reader: JuteReader, operation: MultiOperation): MultiResult {
  switch (operation.type) {
    case 'create':
      return { type: 'create', path: reader.string() };
    case 'setData':
      return { type: 'setData', stat: decodeStat(reader) };
    case 'delete':
    case 'check':
      return { type: operation.type };
  }
}

function refusal(errors: readonly number[], operations: readonly MultiOperation[]): Error {
  const index = errors.findIndex((error) => error !== 0 && error !== notTried);
  const operation = operations[index];
  const error = errors[index];
  if (operation === undefined || error === undefined) {
    return malformed(`multi failed without a reason: ${errors.join(', ')}`);
  }
  const which = `operation ${index} of ${operations.length}: ${operation.type} ${operation.path}`;
  return new MultiError(codeOf(error), index, `${which} (server error ${error})`, {
    path: operation.path,
  });
}
