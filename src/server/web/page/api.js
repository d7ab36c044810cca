// The server's API: requests with the key, answers as server-sent events, failures as sentences.

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

function headers(apiKey) {
  const made = {"Content-Type": "application/json"};
  if (apiKey) made.Authorization = `Bearer ${apiKey}`;
  return made;
}

async function refusal(response) {
  let message = `The server answered ${response.status} ${response.statusText}.`;
  try {
    message = sentence((await response.json()).error.message);
  } catch { /* no JSON: a proxy, perhaps */ }
  const wait = response.headers.get("Retry-After");
  if (response.status === 429 && wait) message += ` It asks to wait ${wait} s.`;
  return new ApiError(message, response.status);
}

function sentence(text) {
  const end = /[.!?]$/.test(text) ? "" : ".";
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}

async function get(path, apiKey) {
  const response = await fetch(path, {headers: headers(apiKey), cache: "no-store"});
  if (!response.ok) throw await refusal(response);
  return response.json();
}

export const models = (apiKey) => get("v1/models", apiKey);

/** Of a model that is loaded; another one would be loaded for it. */
export const properties = (apiKey, model) => get(`props?model=${encodeURIComponent(model)}`, apiKey);

/**
 * Streams an answer. `body` is what /v1/chat/completions takes; yields its chunks as objects.
 * Aborting `signal` closes the connection, which frees the server's slot.
 */
export async function* chat(body, apiKey, signal) {
  const response = await fetch("v1/chat/completions", {
    method: "POST", headers: headers(apiKey), signal,
    body: JSON.stringify({...body, stream: true, stream_options: {include_usage: true}}),
  });
  if (!response.ok) throw await refusal(response);
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(sentence(chunk.error.message), response.status);
    yield chunk;
  }
  throw new ApiError("The connection ended before the answer did.", response.status);
}

/** The data of server-sent events, however the network cuts them. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  while (true) {
    const {value, done} = await reader.read();
    if (done) return;
    const blocks = (pending + value).split("\n\n");
    pending = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}
