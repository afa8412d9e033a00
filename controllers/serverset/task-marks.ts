import { publishedPathsAnnotation, serverSetFinalizer } from '../../api/v1/serverset.ts';
import type { Task } from '../../api/v1/task.ts';
import { isMarked } from './desired.ts';

/**
 * A Task is marked, by finalizer and annotation, before the first member of it is created on a path.
 * So the Task itself says where members of it may be, whatever became of its ServerSets.
 */
export function markedPaths(task: Task): readonly string[] {
  const text = task.metadata.annotations?.[publishedPathsAnnotation] ?? '';
  return text.split(' ').filter((path) => path !== '');
}

export function isMarkedFor(task: Task, path: string): boolean {
  return isMarked(task) && markedPaths(task).includes(path);
}

export function markedFor(task: Task, path: string): Task {
  const { finalizers = [], annotations } = task.metadata;
  const paths = [...new Set([...markedPaths(task), path])].join(' ');
  return {
    ...task,
    metadata: {
      ...task.metadata,
      finalizers: isMarked(task) ? finalizers : [...finalizers, serverSetFinalizer],
      annotations: { ...annotations, [publishedPathsAnnotation]: paths },
    },
  };
}

export function unmarked(task: Task): Task {
  const { finalizers = [], annotations = {} } = task.metadata;
  const others = Object.entries(annotations).filter(([key]) => key !== publishedPathsAnnotation);
  return {
    ...task,
    metadata: {
      ...task.metadata,
      finalizers: finalizers.filter((finalizer) => finalizer !== serverSetFinalizer),
      annotations: Object.fromEntries(others),
    },
  };
}
