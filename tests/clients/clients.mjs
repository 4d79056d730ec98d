// Microsoft's own clients against the simulator. Reads what to ask on standard input, prints what was answered.
import { readFileSync } from "node:fs";
import {
  ClientAssertionCredential, ClientCertificateCredential, ClientSecretCredential, ManagedIdentityCredential,
} from "@azure/identity";
import { MonitorClient } from "@azure/arm-monitor";
import { OperationalInsightsManagementClient } from "@azure/arm-operationalinsights";
import { PolicyClient } from "@azure/arm-policy";
import { PolicyInsightsClient } from "@azure/arm-policyinsights";
import { ResourceGraphClient } from "@azure/arm-resourcegraph";
import { ResourceManagementClient } from "@azure/arm-resources";
import { SubscriptionClient } from "@azure/arm-resources-subscriptions";

const task = JSON.parse(readFileSync(0, "utf8"));
const options = { endpoint: task.endpoint };
const audience = "https://management.azure.com/.default";
const entra = { authorityHost: task.endpoint, disableInstanceDiscovery: true };

async function all(pages) {
  const items = [];
  for await (const item of pages) {
    items.push(item);
  }
  return items;
}

async function outcome(work) {
  try {
    const token = await work();
    return { token: token.token.length > 0, seconds: Math.round((token.expiresOnTimestamp - Date.now()) / 1000) };
  } catch (error) {
    return { error: String(error.message) };
  }
}

const byMachine = () => new ManagedIdentityCredential();

const steps = {
  machine: () => outcome(() => byMachine().getToken(audience)),
  chosen: () => outcome(() => new ManagedIdentityCredential({ clientId: "some-identity" }).getToken(audience)),
  secret: () => outcome(() => new ClientSecretCredential(
    task.tenant, task.client, task.secret, entra).getToken(audience)),
  certificate: () => outcome(() => new ClientCertificateCredential(
    task.tenant, task.client, { certificatePath: task.certificate }, entra).getToken(audience)),
  assertion: () => outcome(() => new ClientAssertionCredential(
    task.tenant, task.client, async () => task.assertion, entra).getToken(audience)),

  async graph() {
    const client = new ResourceGraphClient(byMachine(), options);
    const ids = [];
    let pages = 0;
    let skipToken;
    do {
      const answer = await client.resources({
        query: "resources | project id, name, type | order by id asc", subscriptions: task.subscriptions,
        options: { top: 10, skipToken, resultFormat: "objectArray" },
      });
      ids.push(...answer.data.map((row) => row.id));
      pages += 1;
      skipToken = answer.skipToken;
      if (!skipToken && answer.totalRecords !== ids.length) {
        throw new Error(`${answer.totalRecords} announced, ${ids.length} came`);
      }
    } while (skipToken);
    return { ids, pages };
  },

  async wrong_query() {
    const client = new ResourceGraphClient(byMachine(), options);
    try {
      await client.resources({ query: "resources | were x", subscriptions: task.subscriptions });
      return {};
    } catch (error) {
      return { status: error.statusCode, code: error.code, details: error.details };
    }
  },

  subscriptions: () => all(new SubscriptionClient(byMachine(), options).subscriptions.list()),
  resources: () => all(
    new ResourceManagementClient(byMachine(), task.subscription, options).resources.list({ top: 7 })),
  groups: () => all(new ResourceManagementClient(byMachine(), task.subscription, options).resourceGroups.list()),
  settings: async () => (await new MonitorClient(byMachine(), task.subscription, options)
    .diagnosticSettings.list(task.resource)).value,
  workspaces: () => all(
    new OperationalInsightsManagementClient(byMachine(), task.subscription, options).workspaces.list()),
  assignments: () => all(new PolicyClient(byMachine(), task.subscription, options).policyAssignments.list()),
  exemptions: () => all(new PolicyClient(byMachine(), task.subscription, options).policyExemptions.list()),
  states: () => all(new PolicyInsightsClient(byMachine(), task.subscription, options)
    .policyStates.listQueryResultsForSubscription("latest", task.subscription)),
};

const answers = {};
for (const name of task.steps) {
  const started = Date.now();
  try {
    answers[name] = { value: await steps[name]() };
  } catch (error) {
    answers[name] = { failed: `${error.name} ${error.statusCode ?? ""} ${error.message}` };
  }
  answers[name].seconds = (Date.now() - started) / 1000;
}
process.stdout.write(JSON.stringify(answers));
