// A certified OpenID Connect provider for the tests, with invented people: anybody may sign in as anyone.
// Usage: node provider.js PORT CLIENT_ID SECRET REDIRECT_URI AFTER_SIGNING_OUT
import Provider from 'oidc-provider';

const [port, clientId, secret, redirectUri, afterSigningOut] = process.argv.slice(2);
const ROLES = { duty: ['safeguarding-duty'], both: ['safeguarding-duty', 'reports'], clerk: ['stationery'] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    client_secret: secret,
    redirect_uris: [redirectUri],
    post_logout_redirect_uris: [afterSigningOut],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  claims: { openid: ['sub'], profile: ['name', 'groups'] },
  conformIdTokenClaims: false,
  cookies: { keys: [secret] },
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} (invented)`, groups: ROLES[id.split('-')[0]] ?? [] }),
  }),
});
const server = provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
