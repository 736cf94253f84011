// Calls of the service from its pages. A refusal is an Error with the service's one line.

/** Answer of a call: GET, or POST with a body. */
export async function serviceCall(path, body) {
  const request = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, request).catch(() => {
    throw new Error("the service does not answer: is it still running?");
  });
  if (answer.status === 401) location.reload(); // the session has ended: the login page comes
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}
