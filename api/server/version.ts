/** What GET /version says: the level of Kubernetes' API that clients may expect, and our own version. */
export interface VersionInfo {
  major: string;
  minor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

/**
 * The Kubernetes minor whose wire we follow. Clients choose their behaviour by it, and kubectl wrappers
 * the kubectl that they run.
 */
const level = { major: '1', minor: '32' };

export function versionInfo(own: {
  version: string;
  commit?: string;
  buildDate?: string;
}): VersionInfo {
  return {
    ...level,
    gitVersion: `v${level.major}.${level.minor}.0+mesocosm-${own.version}`,
    gitCommit: own.commit ?? '',
    gitTreeState: '',
    buildDate: own.buildDate ?? '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: `node ${process.version}`,
    platform: `${process.platform}/${process.arch}`,
  };
}
