import { z } from 'zod';

/** The parts of `api:` that say who may come in and what is written down of them. */

const path = z.string().min(1);
const httpsUrl = z.url({ protocol: /^https$/, error: 'must be an https:// address' });
const names = z.array(z.string().min(1));

export const serviceAccountsSchema = z.strictObject({
  issuer: httpsUrl.describe('Issuer of the tokens, as others see this API.'),
  signingKeyFile: path.describe('PEM private key that signs them: RSA, or EC on a NIST curve.'),
  keyFiles: z
    .array(path)
    .default([])
    .describe(
      'PEM keys that tokens may be signed with besides: of before, or of the next rotation.',
    ),
  audiences: names.min(1).optional().describe('Names of this API; the issuer if absent.'),
  maxTokenSeconds: z.int().min(600).default(86_400).describe('Longest life of a token.'),
  jwksUri: httpsUrl
    .optional()
    .describe('Where others find the public keys; <issuer>/openid/v1/jwks if absent.'),
});

export const oidcSchema = z.strictObject({
  issuer: httpsUrl.describe('The provider, as its tokens name it.'),
  clientId: z.string().min(1).describe('Audience that the tokens must be meant for.'),
  usernameClaim: z.string().min(1).default('sub').describe('Claim with the name of the user.'),
  usernamePrefix: z
    .string()
    .min(1)
    .optional()
    .describe('Before the name; - for none; <issuer># if absent, unless the claim is email.'),
  groupsClaim: z.string().min(1).optional().describe('Claim with the groups.'),
  groupsPrefix: z.string().optional().describe('Before each group.'),
  requiredClaims: z
    .record(z.string(), z.string())
    .optional()
    .describe('Claims that a token must have, with these values.'),
  caFile: path.optional().describe('PEM of the authorities that the provider is signed by.'),
  signingAlgorithms: z
    .array(
      z.enum(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']),
    )
    .min(1)
    .default(['RS256'])
    .describe('Algorithms that tokens may be signed by.'),
});

export const auditSchema = z.strictObject({
  file: path.describe('Where events go, a JSON object a line; - for standard output.'),
  rules: z
    .array(
      z.strictObject({
        level: z.enum(['None', 'Metadata', 'Request']).describe('How much is recorded.'),
        users: names.optional().describe('Of these users.'),
        userGroups: names.optional().describe('Of these groups.'),
        verbs: names.optional().describe('get, list, watch, create, …'),
        namespaces: z.array(z.string()).optional().describe('"" for what lies in none.'),
        resources: z
          .array(
            z.strictObject({
              group: z.string().default('').describe('API group; "" for the core group.'),
              resources: names.optional().describe('Plurals, plural/subresource or *.'),
            }),
          )
          .optional()
          .describe('About these kinds.'),
        nonResourceURLs: names.optional().describe('Other paths, * at the end for any rest.'),
      }),
    )
    .min(1)
    .optional()
    .describe('The first that fits counts; what none fits is not recorded.'),
});
