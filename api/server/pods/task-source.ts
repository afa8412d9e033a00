import type { KubeObject } from '../../machinery/metadata.ts';
import type { Resource } from '../../machinery/resource.ts';
import type { Task } from '../../v1/task.ts';
import { sleep, type Clock } from '../../machinery/clock.ts';
import { deepFreeze } from '../../machinery/json.ts';
import { itemOf, type Item } from '../registry/item.ts';
import type { WatchFrame, WatchFrames } from '../registry/watcher.ts';
import { nodeNameOf, podOf, podPhase } from './pod.ts';

/** What is stored as a Task has passed the schema of its kind. */
export function isTask(object: KubeObject): object is Task {
  return object.kind === 'Task' && object.apiVersion === 'mesocosm.dev/v1';
}

/** A Task that was read from the store. */
export function taskOf(object: KubeObject): Task {
  if (isTask(object)) return object;
  throw new TypeError(`the store has a ${object.kind} among the Tasks`);
}

/** Tasks as they are listed and watched for Pods: selected by the fields of a Pod. */
export function tasksAsPods(tasks: Resource): Resource {
  return {
    ...tasks,
    selectableFields: {
      'status.phase': (object) => podPhase(taskOf(object)),
      'status.podIP': (object) => taskOf(object).status?.ip ?? '',
      'spec.nodeName': (object) => nodeNameOf(taskOf(object)),
    },
  };
}

/** Pods that are made without a pause: a few milliseconds. */
const portion = 200;

/** Pods of Tasks: one for every reader of a revision, serialised once, as the Tasks themselves are. */
export class PodItems {
  readonly #pods = new WeakMap<Item, Item>();

  of(task: Item): Item {
    let pod = this.#pods.get(task);
    if (pod === undefined) {
      pod = itemOf(task.key, deepFreeze(podOf(taskOf(task.object))), task.modRevision);
      this.#pods.set(task, pod);
    }
    return pod;
  }

  /** In portions, so that others get their turn however long the list is. */
  async ofAll(tasks: readonly Item[], clock: Clock): Promise<Item[]> {
    const pods: Item[] = [];
    let made = 0;
    for (const task of tasks) {
      if (!this.#pods.has(task)) made += 1;
      pods.push(this.of(task));
      if (made < portion) continue;
      made = 0;
      await sleep(clock, 0);
    }
    return pods;
  }

  async *frames(tasks: AsyncIterable<WatchFrames>): AsyncGenerator<WatchFrames, void, undefined> {
    for await (const frames of tasks) yield frames.map((frame) => this.#frame(frame));
  }

  #frame(frame: WatchFrame): WatchFrame {
    return 'item' in frame ? { ...frame, item: this.of(frame.item) } : frame;
  }
}
