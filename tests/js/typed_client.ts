// A client's state layer in miniature, which has to compile against the generated types. It is not run.
import type { components, paths } from "./api";

type Schemas = components["schemas"];
type Booking = Schemas["BookingAnswer"];

// What an answer always has can be read without a question; what it may lack cannot.
export function describe(problem: Schemas["Problem"]): string {
  const fields: Schemas["FieldError"][] = problem.errors ?? [];
  const wait: number = problem.retryAfterMs ?? 0;
  // @ts-expect-error errors is not always there
  const always: Schemas["FieldError"][] = problem.errors;
  return `${problem.code} ${problem.detail} ${fields.map((one) => one.field)} ${wait} ${always}`;
}

// The codes are a closed list.
export function isMine(code: Schemas["Code"]): boolean {
  // @ts-expect-error there is no such code
  if (code === "no_such_code") return false;
  return code === "slot_taken" || code === "insufficient_credit";
}

type Created = paths["/v1/bookings"]["post"]["responses"][201]["content"]["application/json"];
type Refused = paths["/v1/bookings"]["post"]["responses"][402 | 409]["content"]["application/problem+json"];

// Defaults need not be sent.
const send: Schemas["SendMessageBody"] = { clientMessageId: "1", text: "hello" };
const sync: Schemas["SyncBody"] = { cursors: { abc: 3, def: { seq: 4, state: "x" } } };
// @ts-expect-error the start is required
const incomplete: Schemas["CreateBookingBody"] = { trainerId: "x", payWith: "trial" };
// @ts-expect-error not a way to pay
const cash: Schemas["CreateBookingBody"] = { trainerId: "x", startsAt: "y", payWith: "cash" };
const query: paths["/v1/trainers"]["get"]["parameters"]["query"] = { q: "yoga", sort: "price" };
const form: Schemas["Upload"] = { file: new Blob([]) };

export async function book(body: Schemas["CreateBookingBody"], key: string): Promise<Booking | string> {
  const header: paths["/v1/bookings"]["post"]["parameters"]["header"] = { "Idempotency-Key": key };
  const answer = await fetch("/v1/bookings", { method: "POST", headers: { ...header }, body: JSON.stringify(body) });
  if (answer.status === 201) {
    const created: Created = await answer.json();
    const version: number = created.version;
    const client: string = created.parties.client.name;
    return version > 0 && client ? created : "";
  }
  const refused: Refused = await answer.json();
  return describe(refused);
}

export function unreadOf(page: Schemas["SyncAnswer"]): number {
  const last: Schemas["Message"] | null | undefined = page.conversations[0]?.conversation.lastMessage;
  const gone: string[] = page.gone ?? [];
  return page.conversations.reduce((sum, one) => sum + one.conversation.unread, gone.length + (last ? 1 : 0));
}

export const all = [send, sync, incomplete, cash, query, form];
