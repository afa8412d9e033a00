// Folders in the order of the layout: each imports only from those after it.
const layers = [
  ['controllers/cosmd', '^controllers/cosmd'],
  ['controllers (loops)', '^controllers/(?!runtime/|cosmd)'],
  ['controllers/runtime', '^controllers/runtime/'],
  ['api/cli', '^api/cli/'],
  ['api/server', '^api/server/'],
  ['api/client', '^api/client/'],
  ['api/storage', '^api/storage/'],
  ['api/v1', '^api/v1/'],
  ['proto', '^proto/'],
  ['api/machinery', '^api/machinery/'],
];

const downwardOnly = layers.slice(1).map(([name, path], index) => ({
  name: `nothing-below-imports-${layers[index][0].replace(/[^a-z]+/g, '-')}`,
  comment: `${name} and what lies below it must not import ${layers[index][0]}.`,
  severity: 'error',
  from: {
    path: layers
      .slice(index + 1)
      .map(([, below]) => below)
      .join('|'),
  },
  to: { path: layers[index][1] },
}));

module.exports = {
  forbidden: [
    ...downwardOnly,
    {
      name: 'product-does-not-know-hack-or-test',
      comment: 'Production code must not know the emulator or the tests.',
      severity: 'error',
      from: { path: '^(api|controllers|proto)/' },
      to: { path: '^(hack|test)/' },
    },
    {
      name: 'controllers-reach-the-store-through-the-client',
      severity: 'error',
      from: { path: '^controllers/(?!cosmd)' },
      to: { path: '^api/(storage|server|cli)/' },
    },
    {
      name: 'cli-is-a-client',
      comment: 'cosm imports the client, the kinds and the machinery only.',
      severity: 'error',
      from: { path: '^api/cli/' },
      to: { path: '^(api/(server|storage)|proto|controllers)/' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(node_modules|\\.local)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
