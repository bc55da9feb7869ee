// Two identity providers for tests, "one" and "other", on free ports of this
// machine. They are real ones (oidc-provider, certified by the OpenID
// Foundation), with a shortcut in the place of their pages: who signs in, and
// how, stands in headers that the test's browser sends.
//
// usage: node provider.mjs FOLDER, the folder that oidc-provider is installed in.
// It prints a line of JSON with the addresses, and ends with its standard input.
import http from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.argv[2] + "/");
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const client = (id) => ({
  client_id: id,
  application_type: "native",
  token_endpoint_auth_method: "none",
  redirect_uris: ["http://127.0.0.1/signed-in"],
  grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
  response_types: ["code"],
});

const page = (form) => `<!doctype html><title>Test</title>${form}<button form="op.deviceInputForm"></button>`;

const configuration = {
  clients: [client("lodd"), client("another")],
  cookies: { keys: ["for tests only"] },
  pkce: { methods: ["S256"], required: () => true },
  acrValues: ["low", "high"],
  claims: { openid: ["sub", "acr", "amr"], acr: null, auth_time: null, iss: null },
  clientBasedCORS: () => false,
  ttl: { IdToken: 3600, AccessToken: 600, AuthorizationCode: 60, DeviceCode: 300, Interaction: 300, Session: 3600, Grant: 3600 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form) => { ctx.body = page(form); },
      userCodeConfirmSource: (ctx, form) => { ctx.body = page(form); },
      successSource: (ctx) => { ctx.body = page("approved"); },
    },
  },
  // Nobody is asked whether Lodd may know who they are: all may.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
};

// start returns the address of a provider.
async function start() {
  const server = http.createServer();
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  provider.on("server_error", (_, err) => console.error(err));
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.body?.device_code) ctx.body.interval = 1; // seconds between two questions: tests are in a hurry
  });
  const answer = provider.callback();
  server.on("request", async (req, res) => {
    try {
      if (!req.url.startsWith("/interaction/")) return answer(req, res);
      const { prompt } = await provider.interactionDetails(req, res);
      const user = req.headers["test-user"];
      const login = { accountId: user, acr: req.headers["test-acr"], amr: req.headers["test-amr"]?.split(" ") };
      const result = prompt.name === "consent" ? { consent: {} }
        : user ? { login } : { error: "access_denied", error_description: "the person said no" };
      await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: prompt.name === "consent" });
    } catch (err) {
      console.error(err);
      res.writeHead(500).end();
    }
  });
  return issuer;
}

console.log(JSON.stringify({ one: await start(), other: await start() }));
process.stdin.on("end", () => process.exit()).resume();
