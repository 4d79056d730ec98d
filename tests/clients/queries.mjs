// Parses queries with Microsoft's own grammar of KQL. Reads a JSON array of texts on standard input and prints one
// array of complaints for each.
import { createRequire } from "node:module";
import vm from "node:vm";
import { readFileSync } from "node:fs";

const require = createRequire(import.meta.url);
const folder = require.resolve("@kusto/language-service-next/package.json").replace(/package\.json$/, "");
// Both files are scripts of the browser's kind: they share globals instead of exporting.
for (const name of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  vm.runInThisContext(readFileSync(folder + name, "utf8"), { filename: name });
}

const queries = JSON.parse(readFileSync(0, "utf8"));
const answers = queries.map((text) => {
  const code = Kusto.Language.KustoCode.Parse(text);
  const found = code.GetDiagnostics();
  const complaints = [];
  for (let i = 0; i < found.Count; i += 1) {
    complaints.push(found.getItem(i).Message);
  }
  return complaints;
});
process.stdout.write(JSON.stringify(answers));
