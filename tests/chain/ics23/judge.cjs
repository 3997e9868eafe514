// Judges proofs with the published ICS-23 verifier.
//
// In, on stdin: a JSON list of {proof, root, key, value}, all hex; value is null for an absence.
// Out, on stdout: a JSON list of true and false, or of the message of what was thrown.

"use strict";

const { ics23, tendermintSpec, verifyMembership, verifyNonMembership } = require("@confio/ics23");

function judge(question) {
  const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
  const proof = ics23.CommitmentProof.decode(bytes(question.proof));
  const root = bytes(question.root);
  const key = bytes(question.key);
  return question.value === null
    ? verifyNonMembership(proof, tendermintSpec, root, key)
    : verifyMembership(proof, tendermintSpec, root, key, bytes(question.value));
}

const questions = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const verdicts = questions.map((question) => {
  try {
    return judge(question);
  } catch (error) {
    return String(error.message);
  }
});
process.stdout.write(JSON.stringify(verdicts));
