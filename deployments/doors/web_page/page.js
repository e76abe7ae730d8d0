"use strict";
// One page, one visitor, one conversation. What is visible comes from the stream only, by id and number: a message
// that is sent twice, or seen again after a reconnect, is the same message.
(() => {
  const site = location.pathname.replace(/\/+$/, "");
  const employee = document.body.dataset.employee;
  const at = (id) => document.getElementById(id);
  const log = at("log"), messages = at("messages"), field = at("text"), send = at("send");
  const STATUS_LASTS_MS = 45_000;
  const shown = new Map(); // id -> {row, item}
  let waiting = []; // what the visitor has said and the server has not confirmed
  let seen = 0;
  let token = "";
  let ended = false;
  let sending = false;
  let statusEnds = 0;
  let counting = false;

  const remembered = (key, value) => {
    // A frame of another site may have no storage at all.
    try {
      if (value === undefined) return sessionStorage.getItem(`konstruct:${site}:${key}`) || "";
      sessionStorage.setItem(`konstruct:${site}:${key}`, value);
    } catch { /* then nothing outlives the page */ }
    return "";
  };

  const start = () => {
    const given = new URLSearchParams(location.hash.slice(1)).get("token") || "";
    if (given) {
      if (given.split(".")[0] !== remembered("token").split(".")[0]) remembered("waiting", "[]");
      remembered("token", given);
      history.replaceState(null, "", location.pathname);
    }
    token = given || remembered("token");
    if (!token) return end("This chat opens from the site that it belongs to. Please use the link there.");
    try { waiting = JSON.parse(remembered("waiting") || "[]"); } catch { waiting = []; }
    waiting.forEach(showOwn);
    follow();
    flush();
    // On a phone that would raise the keyboard over the page.
    if (matchMedia("(pointer: fine)").matches) field.focus({ preventScroll: true });
  };

  const end = (why) => {
    ended = true;
    notice(why);
    field.disabled = send.disabled = true;
  };

  const notice = (text) => {
    at("notice").textContent = text;
    at("notice").hidden = !text;
  };

  // The stream -------------------------------------------------------------------------------------------------

  const follow = async () => {
    let failures = 0;
    while (!ended) {
      const begun = Date.now();
      try {
        const response = await fetch(`${site}/events`, {
          headers: { Authorization: `Bearer ${token}`, "Last-Event-ID": String(seen) }, cache: "no-store",
        });
        if (response.status === 401) return end("This chat has expired. Please open it again from the site.");
        if (!response.ok) throw new Error(String(response.status));
        failures = 0;
        notice("");
        await read(response.body.getReader());
      } catch { failures += 1; }
      if (failures > 1) notice("The connection is lost. Trying again…");
      const pause = failures ? Math.min(8_000, 400 * 2 ** failures) : Date.now() - begun < 1_000 ? 1_000 : 50;
      await new Promise((done) => {
        const timer = setTimeout(done, pause * (0.7 + Math.random() * 0.6));
        addEventListener("online", () => { clearTimeout(timer); done(); }, { once: true });
      });
    }
  };

  const read = async (reader) => {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      // The server lets itself be heard every few seconds; a connection that says nothing is dead.
      const { done, value } = await Promise.race([reader.read(), dead(reader)]);
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const events = rest.split("\n\n");
      rest = events.pop();
      for (const event of events) take(event);
    }
  };

  let alarm = 0;
  const dead = (reader) => new Promise((_, fail) => {
    clearTimeout(alarm);
    alarm = setTimeout(() => { reader.cancel(); fail(new Error("silent")); }, 40_000);
  });

  const take = (event) => {
    const lines = event.split("\n");
    const part = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
    if (part("event") === "message") {
      const row = JSON.parse(part("data"));
      if (row.role === "status") status(row); else show(row);
    }
    if (part("id")) seen = Number(part("id"));
    if (!counting) { counting = true; welcome(); }
  };

  // What is said -----------------------------------------------------------------------------------------------

  const say = (text) => {
    text = text.trim();
    if (!text || ended) return;
    const row = { id: uuid(), text };
    waiting.push(row);
    remembered("waiting", JSON.stringify(waiting));
    showOwn(row);
    log.scrollTop = log.scrollHeight;
    flush();
  };

  // One at a time, in order; each until the server has it. Sent again, it is still one message.
  const flush = async () => {
    if (sending) return;
    sending = true;
    for (let failures = 0; waiting.length && !ended; ) {
      const row = waiting[0];
      let status = 0;
      try {
        const response = await fetch(`${site}/messages`, {
          method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
          body: JSON.stringify({ id: row.id, text: row.text }),
        });
        status = response.status;
      } catch { /* offline */ }
      if (status === 401) { end("This chat has expired. Please open it again from the site."); break; }
      if (status === 200 || (status >= 400 && status < 500 && status !== 408 && status !== 429)) {
        waiting.shift();
        remembered("waiting", JSON.stringify(waiting));
        mark(row.id, status === 200 ? "" : "This could not be sent.");
        failures = 0;
      } else {
        failures += 1;
        mark(row.id, "Not sent yet, trying again…");
        await new Promise((done) => setTimeout(done, status === 429 ? 3_000 : Math.min(8_000, 500 * 2 ** failures)));
      }
    }
    sending = false;
  };

  const uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };

  // What is seen -----------------------------------------------------------------------------------------------

  const showOwn = (row) => show({ ...row, role: "contact", place: Infinity, choices: [], final: true, at: Date.now() / 1000 });

  const show = (row) => {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 120;
    const known = shown.get(row.id);
    const item = known ? known.item : document.createElement("li");
    shown.set(row.id, { row, item });
    item.className = row.role + (row.final ? "" : " growing") + (onlyEmoji(row.text) ? " emoji" : "");
    const bubble = element("div", "bubble");
    if (row.role === "contact") bubble.textContent = row.text; else bubble.append(...formatted(row.text));
    const who = element("span", "unseen", row.role === "contact" ? "You: " : `${employee}: `);
    const under = element("span", "under", row.final ? clock(row.at) : "");
    item.replaceChildren(who, bubble, under);
    item.setAttribute("aria-busy", String(!row.final));
    placeInOrder(item, row, Boolean(known));
    if (row.role === "employee") status({ text: "" });
    offer();
    welcome();
    if (near || row.place === Infinity) log.scrollTop = log.scrollHeight;
    else if (row.role === "employee" && !known) at("newest").hidden = false;
  };

  const placeInOrder = (item, row, known) => {
    if (known && row.place !== Infinity && item.place === row.place) return;
    item.place = row.place;
    const next = [...messages.children].find((other) => other !== item && other.place > row.place);
    messages.insertBefore(item, next || null);
  };

  const mark = (id, trouble) => {
    const known = shown.get(id);
    if (!known) return;
    known.item.classList.toggle("unsent", Boolean(trouble));
    known.item.querySelector(".under").textContent = trouble || clock(known.row.at);
  };

  // Choices belong to the last thing said; whatever follows takes them away.
  const offer = () => {
    messages.querySelectorAll(".choices").forEach((old) => old.remove());
    const last = messages.lastElementChild;
    const row = last && [...shown.values()].find((known) => known.item === last)?.row;
    if (!row || row.role !== "employee" || !row.final || !row.choices.length) return;
    const group = element("div", "choices");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Suggested answers");
    for (const choice of row.choices) {
      const button = element("button", "", choice);
      button.type = "button";
      button.addEventListener("click", () => {
        say(choice);
        if (matchMedia("(pointer: fine)").matches) field.focus({ preventScroll: true });
      });
      group.append(button);
    }
    last.append(group);
  };

  const status = (row) => {
    const text = row.text ? `${employee} ${row.text}` : "";
    statusEnds = text ? Date.now() + STATUS_LASTS_MS : 0;
    at("doing").textContent = text;
    at("status").hidden = !statusEnds;
    at("presence").textContent = statusEnds ? text : "AI employee";
    if (statusEnds && log.scrollHeight - log.scrollTop - log.clientHeight < 120) log.scrollTop = log.scrollHeight;
  };
  setInterval(() => { if (statusEnds && Date.now() > statusEnds) status({ text: "" }); }, 1_000);

  const welcome = () => { at("welcome").hidden = shown.size > 0 || !counting; };

  const clock = (seconds) => {
    const when = new Date(seconds * 1000);
    const today = when.toDateString() === new Date().toDateString();
    return when.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
  };

  const onlyEmoji = (text) => text.length <= 16 && /^(\p{Extended_Pictographic}|\p{Emoji_Component})+$/u.test(text) && !/^[\d#*]+$/.test(text);

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Markdown, as far as answers use it. Everything becomes nodes, nothing is read as HTML.
  const formatted = (text) => {
    const blocks = [];
    text.split(/^```[^\n]*\n?/m).forEach((part, number) => {
      if (number % 2) {
        const block = element("pre");
        block.append(element("code", "", part.replace(/\n$/, "")));
        blocks.push(block);
      } else part.split(/\n{2,}/).filter((piece) => piece.trim()).forEach((piece) => blocks.push(...paragraph(piece)));
    });
    return blocks.length ? blocks : [element("p")];
  };

  const paragraph = (piece) => {
    const found = [];
    for (const line of piece.replace(/^\n+|\n+$/g, "").split("\n")) {
      const item = /^\s*(?:[-*•]|(\d+)[.)])\s+(.*)/.exec(line);
      const heading = /^#{1,6}\s+(.*)/.exec(line);
      const before = found[found.length - 1];
      const kind = item ? (item[1] ? "OL" : "UL") : heading ? "H2" : "P";
      if (item) {
        const list = before && before.tagName === kind ? before : element(kind);
        if (list !== before) { if (item[1]) list.start = Number(item[1]); found.push(list); }
        const entry = element("li");
        entry.append(...inline(item[2]));
        list.append(entry);
      } else if (!heading && before && before.tagName === "P") before.append(element("br"), ...inline(line));
      else {
        const block = element(kind);
        block.append(...inline(heading ? heading[1] : line));
        found.push(block);
      }
    }
    return found;
  };

  const INLINE = /(`[^`\n]+`)|(\*\*[^*\n]+\*\*)|(\[[^\]\n]+\]\(https?:\/\/[^\s)]+\))|(https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]])/g;
  const inline = (line) => {
    const nodes = [];
    let end = 0;
    for (const match of line.matchAll(INLINE)) {
      nodes.push(line.slice(end, match.index));
      end = match.index + match[0].length;
      const [, code, bold, named, plain] = match;
      if (code) nodes.push(element("code", "", code.slice(1, -1)));
      else if (bold) nodes.push(element("strong", "", bold.slice(2, -2)));
      else nodes.push(link(plain || named.slice(named.lastIndexOf("](") + 2, -1), plain || named.slice(1, named.lastIndexOf("]("))));
    }
    return [...nodes, line.slice(end)];
  };

  const link = (address, text) => {
    const made = element("a", "", text);
    made.href = address;
    made.target = "_blank";
    made.rel = "noopener noreferrer nofollow";
    return made;
  };

  // The visitor's hands ----------------------------------------------------------------------------------------

  const fit = () => {
    send.disabled = ended || !field.value.trim();
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  };
  const submit = () => { say(field.value); field.value = ""; fit(); };
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  at("composer").addEventListener("submit", (event) => { event.preventDefault(); submit(); field.focus(); });
  at("newest").addEventListener("click", () => { log.scrollTop = log.scrollHeight; });
  log.addEventListener("scroll", () => {
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 120) at("newest").hidden = true;
  }, { passive: true });

  start();
})();
