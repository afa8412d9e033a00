import packageJson from '../../package.json' with { type: 'json' };

/** Version of this cosm. */
export const cosmVersion = packageJson.version;
