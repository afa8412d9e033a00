import { describe, expect, test } from 'vitest';
import { judge, listedDifferences } from './differences.ts';
import { loadRecording, scenarios } from './recordings.ts';
import { compare } from './replay-compare.ts';
import { replay } from './replay-run.ts';

describe.each(['json', 'protobuf'] as const)('%s', (format) => {
  test.each(scenarios(format))(
    'the emulator answers as in the recording %s, but for what DIFFERENCES.md lists',
    async (scenario) => {
      const recording = loadRecording(format, scenario);
      const found = compare(recording, await replay(recording));
      const { unlisted, vanished } = judge(found, listedDifferences(format, scenario));
      expect(unlisted).toEqual([]);
      expect(vanished).toEqual([]);
    },
  );
});
