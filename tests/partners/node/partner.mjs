/*
 * An independent implementation behind a pipe: one JSON request a line in, one JSON answer a line out.
 *
 * Whatever is asked is done by the @digitalbazaar packages as they are; this file only finds keys (did:key, offline),
 * loads contexts (those of the packages, and those that the request brings), and tells the outcome. It never fetches.
 *
 *   {"op": "issue",   "suite", "kind", "secret", "credential", "contexts"}          -> {"document"}
 *   {"op": "present", "suite", "kind", "secret", "presentation", "challenge", "domain", "contexts"} -> {"document"}
 *   {"op": "verify",  "suite", "credential", "contexts"}                            -> {"verified", "errors"}
 *   {"op": "verify-presentation", "suite", "presentation", "challenge", "domain", "contexts"} -> {"verified", "errors"}
 *   {"op": "status",  "suite", "credential", "list", "contexts"}                    -> {"verified", "errors"}
 *   {"op": "list",    "length", "set", "id", "purpose"}                             -> {"document"}
 *   {"op": "ml-dsa-44", "seed", "message", "publicKey", "signature"; hex; by @noble/post-quantum} -> {"publicKey", "signature", "verified"}
 *   {"op": "time",    "suite", "credential", "seconds", "contexts"}                 -> {"verifications", "seconds"}
 */
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as bitstring from '@digitalbazaar/vc-bitstring-status-list';
import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import {createInterface} from 'node:readline';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {default as dataIntegrityContext} from '@digitalbazaar/data-integrity-context';
import {cryptosuite as ecdsaRdfc} from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import {cryptosuite as eddsaRdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {ml_dsa44 as mlDsa44} from '@noble/post-quantum/ml-dsa.js';
import {performance} from 'node:perf_hooks';

const {default: jsigs} = await import('jsonld-signatures');
const {purposes: {AssertionProofPurpose, AuthenticationProofPurpose}} = jsigs;

const SUITES = {
  'eddsa-rdfc-2022': {sign: () => eddsaRdfc, verify: () => eddsaRdfc},
  'eddsa-jcs-2022': {sign: eddsaJcs.createSignCryptosuite, verify: eddsaJcs.createVerifyCryptosuite},
  'ecdsa-rdfc-2019': {sign: () => ecdsaRdfc, verify: () => ecdsaRdfc},
  'ecdsa-jcs-2019': {sign: ecdsaJcs.createSignCryptosuite, verify: ecdsaJcs.createVerifyCryptosuite},
};
const PURPOSES = ['assertionMethod', 'authentication', 'capabilityInvocation', 'capabilityDelegation'];
const MULTIKEY = 'https://w3id.org/security/multikey/v1';

function method(id) {
  const [did, fragment] = id.split('#');
  return {
    '@context': MULTIKEY, id, type: 'Multikey', controller: did, publicKeyMultibase: fragment ?? did.slice('did:key:'.length),
  };
}

function controller(did) {
  const id = `${did}#${did.slice('did:key:'.length)}`;
  return {
    '@context': ['https://www.w3.org/ns/did/v1', MULTIKEY], id: did, verificationMethod: [method(id)],
    ...Object.fromEntries(PURPOSES.map(purpose => [purpose, [id]])),
  };
}

function loader({contexts = {}, documents = {}}) {
  const known = new Map([
    ...dataIntegrityContext.contexts,
    ...Object.entries(contexts),
    ...Object.entries(documents),
  ]);
  return async url => {
    let document = known.get(url);
    if(document === undefined && url.startsWith('did:key:')) {
      document = url.includes('#') ? method(url) : controller(url);
    }
    return document === undefined ? vc.defaultDocumentLoader(url) : {contextUrl: null, documentUrl: url, document};
  };
}

function multikeys(kind) {
  return kind === 'ed25519' ? Ed25519Multikey : EcdsaMultikey;
}

// `secret` is {id, publicKeyMultibase, secretKeyMultibase}; without it a key is made, and told with the answer.
async function keyOf({kind, secret}) {
  if(secret) {
    return multikeys(kind).from({type: 'Multikey', ...secret});
  }
  const curves = {p256: 'P-256', p384: 'P-384'};
  const key = await multikeys(kind).generate(kind === 'ed25519' ? {} : {curve: curves[kind]});
  const {publicKeyMultibase} = await key.export({publicKey: true});
  key.controller = `did:key:${publicKeyMultibase}`;
  key.id = `${key.controller}#${publicKeyMultibase}`;
  return key;
}

function verifier(suite) {
  return new DataIntegrityProof({cryptosuite: SUITES[suite].verify()});
}

function told({verified, error}) {
  const errors = error ? [error.message, ...(error.errors ?? []).map(one => one.message)] : [];
  return {verified: verified === true, errors};
}

const OPERATIONS = {
  async key(request) {
    const key = await keyOf(request);
    return {id: key.id, controller: key.controller, ...await key.export({publicKey: true, secretKey: true})};
  },
  async issue(request) {
    const key = await keyOf(request);
    const suite = new DataIntegrityProof({signer: key.signer(), cryptosuite: SUITES[request.suite].sign(), date: request.date});
    return {document: await vc.issue({
      credential: request.credential, suite, documentLoader: loader(request), purpose: new AssertionProofPurpose(),
    })};
  },
  async present(request) {
    const key = await keyOf(request);
    const suite = new DataIntegrityProof({signer: key.signer(), cryptosuite: SUITES[request.suite].sign()});
    const {presentation, challenge, domain} = request;
    return {document: await vc.signPresentation({
      presentation, suite, challenge, domain, documentLoader: loader(request),
      purpose: new AuthenticationProofPurpose({challenge, domain}),
    })};
  },
  async verify(request) {
    return told(await vc.verifyCredential({
      credential: request.credential, suite: verifier(request.suite), documentLoader: loader(request),
      checkStatus: async () => ({verified: true}),  // judged by the operation of its own
    }));
  },
  async 'verify-presentation'(request) {
    const {presentation, challenge, domain} = request;
    return told(await vc.verify({
      presentation, challenge, domain, suite: verifier(request.suite), documentLoader: loader(request),
      checkStatus: async () => ({verified: true}),
    }));
  },
  async status(request) {
    const documents = {[request.list.id]: request.list};
    const result = await bitstring.checkStatus({
      credential: request.credential, documentLoader: loader({...request, documents}), suite: verifier(request.suite),
    });
    return {...told(result), statuses: (result.results ?? []).map(one => one.status)};
  },
  async list(request) {
    const list = await bitstring.createList({length: request.length});
    request.set.forEach(index => list.setStatus(index, true));
    return {document: await bitstring.createCredential({id: request.id, list, statusPurpose: request.purpose})};
  },
  async 'ml-dsa-44'({seed, message, publicKey, signature}) {
    const bytes = text => Uint8Array.from(Buffer.from(text, 'hex'));
    const hex = data => Buffer.from(data).toString('hex');
    const keys = mlDsa44.keygen(bytes(seed));
    return {
      publicKey: hex(keys.publicKey),
      signature: hex(mlDsa44.sign(bytes(message), keys.secretKey)),
      verified: mlDsa44.verify(bytes(signature), bytes(message), bytes(publicKey)),
    };
  },
  async time(request) {
    const documentLoader = loader(request);
    const suite = () => verifier(request.suite);
    const once = async () => {
      const {verified} = await vc.verifyCredential({
        credential: request.credential, suite: suite(), documentLoader, checkStatus: async () => ({verified: true}),
      });
      if(!verified) {
        throw new Error('it does not verify');
      }
    };
    for(let i = 0; i < 20; ++i) {
      await once();
    }
    const begun = performance.now();
    let verifications = 0;
    while(performance.now() - begun < request.seconds * 1000) {
      await once();
      ++verifications;
    }
    return {verifications, seconds: (performance.now() - begun) / 1000};
  },
};

for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = await OPERATIONS[request.op](request);
  } catch(error) {
    answer = {failed: `${error.name}: ${error.message}`, causes: (error.errors ?? []).map(one => one.message)};
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
