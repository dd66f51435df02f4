// The official JavaScript client against a running server, and Node's own HTTP/2 client.
// Usage: client.js KUBECONFIG NAMESPACE. Exits 0 when all is as expected.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { AppsV1Api, CoreV1Api, KubeConfig, KubernetesObjectApi, PatchStrategy, makeInformer, setHeaderOptions } from '@kubernetes/client-node';

const [kubeconfig, namespace] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(CoreV1Api);

async function refused(code, reason, call) {
  const error = await call().then(() => assert.fail(`expected ${code}`), (error) => error);
  assert.equal(error.code, code, error.message);
  assert.equal(JSON.parse(error.body).reason, reason);
}

async function objects() {
  const body = { metadata: { name: 'typed', labels: { app: 'js' } }, data: { a: '1' } };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  assert.ok(made.metadata.creationTimestamp instanceof Date);
  await refused(409, 'AlreadyExists', () => core.createNamespacedConfigMap({ namespace, body }));
  await refused(404, 'NotFound', () => core.readNamespacedConfigMap({ namespace, name: 'missing' }));
  const merge = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
  const patched = await core.patchNamespacedConfigMap({ namespace, name: 'typed', body: { data: { b: '2', a: null } } }, merge);
  assert.deepEqual(patched.data, { b: '2' });
  const steps = [{ op: 'add', path: '/data/c', value: '3' }];
  const json = setHeaderOptions('Content-Type', PatchStrategy.JsonPatch);
  assert.equal((await core.patchNamespacedConfigMap({ namespace, name: 'typed', body: steps }, json)).data.c, '3');
}

/** An informer lists, then follows: it sees an object's whole life, in order, and keeps a cache. */
async function informer() {
  const seen = [];
  const list = () => core.listNamespacedSecret({ namespace });
  const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/secrets`, list);
  const gone = new Promise((resolve, reject) => {
    informer.on('error', reject);
    for (const event of ['add', 'update', 'delete']) {
      informer.on(event, (object) => {
        seen.push(`${event} ${object.metadata.name}`);
        if (event === 'delete') resolve();
      });
    }
    setTimeout(() => reject(new Error(`the informer saw only ${seen}`)), 30000).unref();
  });
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 'before' } } });
  await informer.start();
  assert.equal(informer.get('before', namespace).metadata.name, 'before');
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { k: 'v' } } });
  const labels = [{ op: 'add', path: '/metadata/labels', value: { x: 'y' } }];
  await core.patchNamespacedSecret({ namespace, name: 's', body: labels }, setHeaderOptions('Content-Type', PatchStrategy.JsonPatch));
  await core.deleteNamespacedSecret({ namespace, name: 's' });
  await gone;
  await informer.stop();
  assert.deepEqual(seen, ['add before', 'add s', 'update s', 'delete s']);
}

async function apply() {
  const anything = KubernetesObjectApi.makeApiClient(config);
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace }, spec: { replicas: 0, selector: { matchLabels: { a: 'b' } }, template } };
  const applied = await anything.patch(deployment, undefined, undefined, 'javascript', true, PatchStrategy.ServerSideApply);
  assert.equal(applied.metadata.managedFields[0].manager, 'javascript');
  const read = await config.makeApiClient(AppsV1Api).readNamespacedDeployment({ namespace, name: 'web' });
  assert.equal(read.spec.strategy.type, 'RollingUpdate');
  await anything.delete(deployment);
}

/** One connection, many requests at once, one of them a watch. */
async function multiplexed() {
  const cluster = config.getCurrentCluster();
  const options = {};
  await config.applyToHTTPSOptions(options);
  const session = http2.connect(cluster.server, { ca: options.ca, cert: options.cert, key: options.key });
  const request = (path) => new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ...(options.headers ?? {}) });
    let status, text = '';
    stream.on('response', (headers) => { status = headers[':status']; });
    stream.on('data', (chunk) => { text += chunk; });
    stream.on('end', () => resolve({ status, text }));
    stream.on('error', reject);
  });
  const base = `/api/v1/namespaces/${namespace}/configmaps`;
  const watch = request(`${base}?watch=true&resourceVersion=0&timeoutSeconds=2`);
  const reads = await Promise.all(Array.from({ length: 100 }, () => request(`${base}/typed`)));
  assert.ok(reads.every(({ status, text }) => status === 200 && JSON.parse(text).data.b === '2'));
  const events = (await watch).text.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(events.some(({ type, object }) => type === 'ADDED' && object.metadata.name === 'typed'));
  assert.equal(session.alpnProtocol, 'h2');
  session.close();
}

await core.createNamespace({ body: { metadata: { name: namespace } } });
await objects();
await informer();
await apply();
await multiplexed();
await core.deleteNamespace({ name: namespace });
