// Validates Kubernetes objects (a JSON array on standard input) with the schemas of the API server
// and of the Prometheus operator. Prints a line for each problem; exit code 1 if there is any.
import {readFileSync} from 'node:fs';

const OPERATOR = 'monitoring.coreos.com/';

// The schemas let unknown fields pass, as the API server would drop them silently. But a validator
// reads every field it knows, so a field that nobody has read is one that nobody knows.
function watched(value, path, unread) {
  if (value === null || typeof value !== 'object') {
    return value;
  }
  const children = Array.isArray(value) ? [] : {};
  for (const key of Object.keys(value)) {
    children[key] = watched(value[key], `${path}.${key}`, unread);
    unread.add(`${path}.${key}`);
  }
  return new Proxy(children, {
    get(target, key) {
      if (typeof key === 'string') {
        unread.delete(`${path}.${key}`);
      }
      return target[key];
    },
  });
}

async function problemsOf(object) {
  const {apiVersion, kind} = object;
  let models;
  try {
    const ofOperator = apiVersion.startsWith(OPERATOR);
    models = await import(
        (ofOperator ? '@kubernetes-models/prometheus-operator/' : 'kubernetes-models/') + apiVersion);
  } catch (error) {
    return [`no schemas of ${apiVersion}: ${error.code}`];
  }
  if (!models[kind]) {
    return [`${apiVersion} has no kind ${kind}`];
  }
  const unread = new Set();
  const fields = Object.fromEntries(
      Object.entries(object).map(([key, value]) => [key, watched(value, key, unread)]));
  try {
    // Not through the constructor: it reads everything.
    Object.assign(new models[kind](), fields).validate();
  } catch (error) {
    return [error.message];
  }
  // The name of a field below an unknown one says nothing new.
  return [...unread].filter(path => !unread.has(path.slice(0, path.lastIndexOf('.'))))
      .map(path => `unknown field ${path}`);
}

let failed = false;
for (const object of JSON.parse(readFileSync(0, 'utf8'))) {
  for (const problem of await problemsOf(object)) {
    failed = true;
    console.log(`${object.kind} ${object.metadata?.name}: ${problem}`);
  }
}
process.exit(failed ? 1 : 0);
