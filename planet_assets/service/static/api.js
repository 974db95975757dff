// The service, spoken to: JSON by fetch, and the stream of events, which is opened again wherever it breaks.

export class Problem extends Error {
  constructor(status, message, hint) {
    super([message, hint].filter(Boolean).join(" "));
    this.status = status;
  }
}

const csrf = () => /(?:^|; )planet_assets_csrf=([^;]*)/.exec(document.cookie)?.[1] ?? "";

export async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin", cache: "no-store" });
  } catch {
    throw new Problem(0, "The service does not answer.", "");
  }
  const text = await answer.text();
  let said = null;
  try {
    said = text ? JSON.parse(text) : null;
  } catch {
    said = text;
  }
  if (answer.ok) return said;
  const error = said?.error;
  throw new Problem(answer.status, error?.message ?? (typeof said === "string" ? said : `The service answered ${answer.status}.`), error?.hint ?? "");
}

export const get = (path) => call("GET", path);

const KINDS = ["hello", "reset", "job", "plan", "bundle", "element", "progress", "scenes"];
const LONGEST_MS = 15000;

/** Listen to everything that happens; `told(kind, data)` for each event, `linked(true|false)` when the stream comes and goes. */
export function listen(told, linked) {
  let cursor = "";
  let source = null;
  let pause = 500;
  let timer = 0;
  let over = false;

  function open() {
    source = new EventSource(cursor ? `/v1/events?after=${encodeURIComponent(cursor)}` : "/v1/events");
    for (const kind of KINDS) source.addEventListener(kind, (event) => {
      if (event.lastEventId) cursor = event.lastEventId;
      pause = 500;
      if (kind === "hello" || kind === "reset") linked(true);
      told(kind, JSON.parse(event.data));
    });
    source.onerror = () => {
      source.close();
      if (over) return;
      linked(false);
      timer = setTimeout(open, pause);
      pause = Math.min(LONGEST_MS, pause * 1.7);
    };
  }

  open();
  return () => {
    over = true;
    clearTimeout(timer);
    source.close();
  };
}
