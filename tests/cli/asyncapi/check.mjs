// Prints what AsyncAPI's own parser finds wrong with a document, and ends with 1 if that is anything.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(`${process.argv[2]}/`);
const { Parser } = require("@asyncapi/parser");
const { AvroSchemaParser } = require("@asyncapi/avro-schema-parser");

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await parser.parse(await readFile(process.argv[3], "utf8"));
for (const one of diagnostics) console.log(one.code, one.path.join("."), one.message);
process.exit(document && diagnostics.length === 0 ? 0 : 1);
