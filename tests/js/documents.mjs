// What app developers' tools make of the two documents: node documents.mjs openapi.json asyncapi.json api.d.ts
// Writes the types of the REST surface, and prints {redocly, asyncapi, patterns}: what each complains about.
import { readFileSync, writeFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { createConfig, lintFromString } from "@redocly/openapi-core";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const [openapiPath, asyncapiPath, typesPath] = process.argv.slice(2);
const openapi = readFileSync(openapiPath, "utf8");
const asyncapi = readFileSync(asyncapiPath, "utf8");

async function redocly() {
  const config = await createConfig({ extends: ["recommended"] });
  const problems = await lintFromString({ source: openapi, absoluteRef: "openapi.json", config });
  return problems.map((one) => `${one.severity} ${one.ruleId} ${one.location?.[0]?.pointer}: ${one.message}`);
}

async function parser() {
  const { document, diagnostics } = await new Parser().parse(asyncapi);
  // That there is a later minor version is no fault of a document.
  const problems = diagnostics.filter((one) => one.code !== "asyncapi-latest-version");
  const said = problems.map((one) => `${one.code} ${one.path.join("/")}: ${one.message}`);
  return document ? said : [...said, "no document"];
}

// JSON Schema's dialect is that of ECMA-262 with the flag u, which Python knows nothing of.
function patterns(node, found = []) {
  if (node === null || typeof node !== "object") return found;
  if (typeof node.pattern === "string") {
    try {
      new RegExp(node.pattern, "u");
    } catch (error) {
      found.push(error.message);
    }
  }
  Object.values(node).forEach((one) => patterns(one, found));
  return found;
}

// As its documentation says for files: a string of format binary is a Blob.
function transform(schema) {
  if (schema.format !== "binary") return undefined;
  return ts.factory.createTypeReferenceNode(ts.factory.createIdentifier("Blob"));
}

writeFileSync(typesPath, astToString(await openapiTS(JSON.parse(openapi), { transform })));
const both = [JSON.parse(openapi), JSON.parse(asyncapi)];
console.log(JSON.stringify({ redocly: await redocly(), asyncapi: await parser(), patterns: patterns(both) }));
