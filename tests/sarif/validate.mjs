// Validates SARIF logs (files) with the OASIS schema of 2.1.0. Prints a line for each problem; exit
// code 1 if there is any.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
const validator = require.resolve('@microsoft/jest-sarif');
const from = createRequire(validator);
const Ajv = from('ajv');
const schema = JSON.parse(readFileSync(
    validator.replace(/lib\/.*$/, 'lib/schemas/sarif-2.1.0-rtm.5.json'), 'utf8'));
const ajv = new Ajv({allErrors: true, schemaId: 'auto'});
ajv.addMetaSchema(from('ajv/lib/refs/json-schema-draft-04.json'));
const validate = ajv.compile(schema);
let failed = false;
for (const path of process.argv.slice(2)) {
  if (!validate(JSON.parse(readFileSync(path, 'utf8')))) {
    failed = true;
    for (const error of validate.errors) {
      console.log(`${path}: ${error.dataPath} ${error.message} ${JSON.stringify(error.params)}`);
    }
  }
}
process.exitCode = failed ? 1 : 0;
