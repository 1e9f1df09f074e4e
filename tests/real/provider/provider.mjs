// A real OpenID provider (a certified implementation) on loopback, for the tests of signing in: whoever types a name is
// that person. It is told what it is by SETTINGS, as JSON: port, issuer, client, secret, redirects, audience, keys (private JWKs).
import { createServer } from "node:http";
import { Provider, errors } from "oidc-provider";

const said = JSON.parse(process.env.SETTINGS);
const loads = new Map();

const provider = new Provider(said.issuer, {
  clients: [
    {
      client_id: said.client,
      client_secret: said.secret,
      redirect_uris: said.redirects,
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  jwks: { keys: said.keys },
  cookies: { keys: ["a", "b"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false, // claims such as email are in the ID token
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: `${id}@shop.example`, email_verified: !id.startsWith("un") }),
  }),
  loadExistingGrant: async (ctx) => {
    // everybody has agreed already
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid email");
    if (said.audience) grant.addResourceScope(said.audience, "inbox");
    await grant.save();
    return grant;
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (_, resource) => {
        if (resource !== said.audience) throw new errors.InvalidTarget();
        return { scope: "inbox", audience: said.audience, accessTokenFormat: "jwt" };
      },
    },
  },
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 600, IdToken: 600 },
});

const page = (uid) => `<!doctype html><html lang="en"><title>The provider</title><main><h1>Who are you?</h1>
<form method="post" action="/interaction/${uid}"><label>Name <input name="login" autofocus></label>
<button>I am</button></form></main></html>`;

const answer = provider.callback();
const server = createServer(async (request, response) => {
  const path = new URL(request.url, said.issuer).pathname;
  loads.set(path, (loads.get(path) ?? 0) + 1);
  if (path === "/loads") {
    response.end(JSON.stringify(Object.fromEntries(loads)));
  } else if (path.startsWith("/interaction/")) {
    try {
      const { uid } = await provider.interactionDetails(request, response);
      if (request.method === "GET") {
        response.setHeader("content-type", "text/html; charset=utf-8");
        response.end(page(uid));
        return;
      }
      let body = "";
      for await (const part of request) body += part;
      const accountId = new URLSearchParams(body).get("login");
      await provider.interactionFinished(request, response, { login: { accountId } }, { mergeWithLastSubmission: false });
    } catch (error) {
      response.statusCode = 400;
      response.end(String(error));
    }
  } else {
    answer(request, response);
  }
});
server.listen(said.port, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
