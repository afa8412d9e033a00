import type { KubeObject } from '../../api/machinery/metadata.ts';
import type { ConfigMap } from '../../api/v1/config-map.ts';
import type { Secret } from '../../api/v1/secret.ts';
import type { Task } from '../../api/v1/task.ts';
import type { Informer } from '../runtime/informer.ts';
import { contentsOf, plainContents, usesContents, type TaskContents } from './contents.ts';

export interface ContentInformers {
  secrets: Pick<Informer<Secret>, 'hasSynced' | 'get' | 'onChange'>;
  configMaps: Pick<Informer<ConfigMap>, 'hasSynced' | 'get' | 'onChange'>;
}

/**
 * What Tasks take from Secrets and ConfigMaps, as these are now. Nobody waits until they have been read:
 * if they cannot be, only Tasks that refer to them are kept.
 */
export class ContentView {
  readonly #informers: ContentInformers;

  constructor(informers: ContentInformers) {
    this.#informers = informers;
  }

  of(task: Task): TaskContents {
    if (!usesContents(task)) return plainContents(task);
    const { secrets, configMaps } = this.#informers;
    if (!secrets.hasSynced || !configMaps.hasSynced) {
      const message = 'Secrets and ConfigMaps have not been read yet';
      return { kind: 'Lacking', reason: 'ReferenceMissing', message };
    }
    return contentsOf(task, {
      secret: (namespace, name) => secrets.get(`${namespace}/${name}`),
      configMap: (namespace, name) => configMaps.get(`${namespace}/${name}`),
    });
  }

  /** Tells the namespace of every object that came, changed or went; returns the way to stop that. */
  onChange(listener: (namespace: string) => void): () => void {
    const tell = ({ object }: { object: KubeObject }): void => {
      listener(object.metadata.namespace ?? '');
    };
    const { secrets, configMaps } = this.#informers;
    const stops = [secrets.onChange(tell), configMaps.onChange(tell)];
    return () => {
      for (const stop of stops) stop();
    };
  }
}
