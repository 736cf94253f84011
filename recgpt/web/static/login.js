// Login page: the token goes to the server in a body, never in a URL; the same page is loaded again with the cookie.

const loginForm = document.getElementById("login");
const loginProblem = document.getElementById("problem");

loginForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  loginProblem.textContent = "";
  const csrf = document.querySelector('meta[name="csrf-token"]').content;
  const answer = await fetch("/api/login", {
    method: "POST",
    headers: { "content-type": "application/json", "x-recgpt-csrf": csrf },
    body: JSON.stringify({ token: document.getElementById("token").value }),
  });
  if (answer.ok) {
    location.reload();
    return;
  }
  loginProblem.textContent = (await answer.json()).error;
});
