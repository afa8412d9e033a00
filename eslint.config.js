import tseslint from 'typescript-eslint';

const nativeTime = [
  ...['Date.now', 'Math.random', 'performance.now'].map((name) => {
    const [object, property] = name.split('.');
    return { object, property, message: 'Take a Clock or a Random as a parameter.' };
  }),
];

export default tseslint.config(
  { ignores: ['node_modules', '.local', '**/generated/**', 'hack/*.mjs', '*.config.js', '.*.cjs'] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['api/**/*.ts', 'controllers/**/*.ts', 'proto/**/*.ts'],
    ignores: ['api/machinery/clock.ts'],
    rules: {
      'no-restricted-properties': ['error', ...nativeTime],
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate'],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
);
