// A real OpenID provider for the tests: panva's oidc-provider, on loopback, with people of its own.
//
//   node provider.mjs FOLDER-OF-NODE-MODULES SETTINGS-AS-JSON
//
// Prints `ready` when it listens. Whoever signs in with any password is who they say; their claims stand in the settings.

import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { pathToFileURL } from "node:url";

const [, , modules, text] = process.argv;
const { port, redirect, algorithm, thin, method, people, tls, secret, life } = JSON.parse(text);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const issuer = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
const kinds = { ES256: ["ec", { namedCurve: "P-256" }], EdDSA: ["ed25519"] };
const { privateKey } = generateKeyPairSync(...(kinds[algorithm] ?? ["rsa", { modulusLength: 2048 }]));
const jwk = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: algorithm };

const provider = new Provider(issuer, {
  clients: [{
    client_id: "ward",
    ...(method === "none" ? {} : { client_secret: secret }),
    token_endpoint_auth_method: method,
    redirect_uris: [redirect],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    id_token_signed_response_alg: algorithm,
  }],
  clientAuthMethods: [method],
  jwks: { keys: [jwk] },
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  pkce: { required: () => true, methods: ["S256"] },
  claims: { openid: ["sub"], profile: ["preferred_username", "name", "groups"] },
  // `thin`: the ID token holds `sub` only, the rest is in userinfo, as Core has it where an access token is given.
  conformIdTokenClaims: thin,
  cookies: { keys: ["a key of a test"] },
  ttl: { AccessToken: 600, AuthorizationCode: life, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...people[id] }),
  }),
  // No page that asks whether the ward may know the name: a hospital's own service does not ask its staff.
  async loadExistingGrant(context) {
    const grant = new context.oidc.provider.Grant({ clientId: "ward", accountId: context.oidc.session.accountId });
    grant.addOIDCScope("openid profile");
    await grant.save();
    return grant;
  },
});
provider.on("server_error", (_, error) => console.error(error));

const ready = () => console.log("ready");
if (tls) createServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, provider.callback()).listen(port, "127.0.0.1", ready);
else provider.listen(port, "127.0.0.1", ready);
