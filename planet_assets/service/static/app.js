// The page: who is here, what is shown, and how what happens reaches it.

import { call, get, listen } from "/page/api.js";
import { byId, refill, what } from "/page/dom.js";
import { Jobs } from "/page/jobs.js";
import { Look } from "/page/look.js";
import { Ground } from "/page/map.js";
import { Plans } from "/page/plans.js";
import { showQuota } from "/page/quota.js";
import { showScenes, Sites } from "/page/scenes.js";

const TABS = [["plans", "Approvals"], ["jobs", "Jobs"], ["scenes", "Scenes"], ["sites", "Sites"], ["look", "Details"]];
const PAGE = 1000;
const MOST_SCENES = 20000;
const REFRESH_MS = 700;

let desk = null;

class Desk {
  constructor(me) {
    this.me = me;
    this.tab = "plans";
    this.counts = { plans: 0, jobs: 0 };
    this.ground = desk?.ground ?? new Ground((id) => go("look", id));
    this.plans = new Plans(me, { waiting: (open) => this.waiting(open), show: (plan) => this.showPlan(plan) });
    this.jobs = new Jobs({ opened: (id) => go("look", id), counted: (number) => this.count("jobs", number) });
    this.look = new Look(me);
    this.sites = new Sites();
    this.due = new Set();
    this.stale = new Set();
    this.timer = 0;
  }

  async start() {
    byId("sign-in").hidden = true;
    byId("desk").hidden = byId("search").hidden = false;
    refill(byId("me"), what("span", {}, `${this.me.name} (${this.me.role})`),
      this.me.auth ? what("button", { type: "button", id: "sign-out", on: { click: signOut } }, "Sign out") : null);
    this.tabs();
    this.ground.map.invalidateSize();
    this.ground.land().catch(() => {});
    follow();
    await Promise.allSettled([this.allScenes(), this.refresh(["quota", "plans", "jobs", "sites"])]);
    this.hangUp = listen((kind, data) => this.heard(kind, data), (up) => this.linked(up));
  }

  stop() {
    this.hangUp?.();
    clearTimeout(this.timer);
  }

  /** Every scene, a page after the other, so that the map fills while it loads. */
  async allScenes() {
    let after = "";
    for (let seen = 0; seen < MOST_SCENES; ) {
      const page = await get(`/v1/items?limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}`);
      this.ground.put(page.items);
      seen += page.items.length;
      if (this.tab === "scenes") showScenes(this.ground, (id) => go("look", id));
      if (!page.next) break;
      after = page.next;
    }
    if (this.ground.shapes.size && !this.settled) this.ground.fit();
    this.settled = this.ground.shapes.size > 0;
  }

  async refresh(what_) {
    for (const part of what_) {
      if (part === "quota") {
        const quota = await get("/v1/quota");
        this.plans.quota = quota;
        showQuota(quota);
        this.plans.draw();
      } else if (part === "plans") await this.plans.load();
      else if (part === "jobs") await this.jobs.load();
      else if (part === "sites") await this.sites.load();
      else if (part === "look" && this.look.id) await this.look.open(this.look.id);
      else if (part === "scenes") await this.someScenes();
      else if (part === "all") await this.allScenes();
    }
  }

  async someScenes() {
    const ids = [...this.stale];
    this.stale.clear();
    for (let start = 0; start < ids.length; start += 100) {
      const asked = ids.slice(start, start + 100).map((id) => `ids=${encodeURIComponent(id)}`).join("&");
      this.ground.put((await get(`/v1/items?limit=1000&${asked}`)).items);
    }
    if (this.tab === "scenes") showScenes(this.ground, (id) => go("look", id));
  }

  heard(kind, data) {
    if (kind === "reset") location.reload();
    else if (kind === "hello") {
      this.later("plans", "jobs", "quota", "sites", ...(this.greeted ? ["all"] : []));
      this.greeted = true;
    }
    else if (kind === "scenes") this.later("all");
    else if (kind === "progress") {
      this.jobs.progress(data.jobs);
      for (const job of Object.values(data.jobs)) if (!this.known(job.scene_id)) this.stale.add(job.scene_id), this.later("scenes");
    } else if (kind === "job") {
      this.stale.add(data.scene_id);
      this.later("jobs", "scenes", "quota");
      if (this.look.id === data.scene_id) this.later("look");
    } else if (kind === "plan") this.later("plans", "quota");
    else if (kind === "element") {
      this.later("sites");
      if (this.look.id) this.later("look");
    } else if (kind === "bundle") this.later("sites");
  }

  known(id) {
    return this.ground.scenes.has(`PSScene ${id}`);
  }

  /** Gather what is to be read again, and read it at most every so often. */
  later(...parts) {
    for (const part of parts) this.due.add(part);
    this.timer ||= setTimeout(async () => {
      const due = [...this.due];
      this.due.clear();
      try {
        await this.refresh(due);
      } catch (error) {
        if (error.status === 401) signedOut();
        else if (error.status === 0) for (const part of due) this.due.add(part);
      }
      this.timer = 0;
      if (this.due.size) this.later();
    }, REFRESH_MS);
  }

  linked(up) {
    const word = byId("link");
    word.textContent = up ? "live" : "The connection is lost; trying again.";
    word.classList.toggle("lost", !up);
    if (!up) get("/v1/me").catch((error) => error.status === 401 && signedOut());
  }

  waiting(open) {
    if (this.shownPlan && !open.some((one) => one.plan.plan_id === this.shownPlan.plan_id)) this.ground.showPlan({ ...this.shownPlan, scenes: [] }, false);
    this.count("plans", open.length);
    const missing = open.flatMap((one) => one.plan.scenes).filter((scene) => !this.known(scene.id));
    if (missing.length) {  // the script may have found them just now, or keep a library of its own
      this.ground.put(missing.map((scene) => ({ item_type: "PSScene", state: "known", ...scene })));
      for (const scene of missing) this.stale.add(scene.id);
      this.later("scenes");
    }
    this.ground.wait(open.flatMap((one) => one.plan.scenes.map((scene) => scene.id)));
    document.title = `${open.length ? `(${open.length}) ` : ""}planet-assets`;
  }

  showPlan(plan) {
    this.shownPlan = plan;
    this.ground.showPlan(plan);
    byId("ground").scrollIntoView({ block: "nearest" });
  }

  count(tab, number) {
    if (this.counts[tab] === number) return;
    this.counts[tab] = number;
    this.tabs();
  }

  tabs() {
    refill(byId("tabs"), TABS.map(([name, words]) => what("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(name === this.tab), "aria-controls": `pane-${name}`, tabindex: name === this.tab ? 0 : -1,
      on: { click: () => go(name, name === "look" ? this.look.id : null), keydown: (event) => this.step(event) },
    }, words, this.counts[name] ? what("span", { class: "count" }, this.counts[name]) : null)));
  }

  step(event) {
    const at = TABS.findIndex(([name]) => name === this.tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const name = TABS[(to + TABS.length) % TABS.length][0];
    go(name, name === "look" ? this.look.id : null);
    requestAnimationFrame(() => byId(`tab-${name}`)?.focus());
  }

  async show(tab, id) {
    this.tab = tab;
    for (const [name] of TABS) byId(`pane-${name}`).hidden = name !== tab;
    this.tabs();
    if (tab === "scenes") showScenes(this.ground, (one) => go("look", one));
    if (tab === "look") {
      if (!id) refill(byId("pane-look"), what("p", { class: "soft" }, "Choose a scene on the map or in a list, or search."));
      else {
        await this.look.open(id).catch((error) => refill(byId("pane-look"), what("p", { class: "problem" }, error.message)));
        this.ground.look_at(id);
      }
    }
  }

  /** Scenes whose id begins so, and elements by the search language. */
  async search(text) {
    const [scenes, elements] = await Promise.all([
      get(`/v1/items?limit=50&begins=${encodeURIComponent(text)}`).then((found) => found.items),
      get(`/api/search/${encodeURIComponent(encodeURIComponent(text))}?limit=50`).catch((error) => (error.status === 404 ? [] : error.message))]);
    this.tab = "look";
    this.look.id = null;
    for (const [name] of TABS) byId(`pane-${name}`).hidden = name !== "look";
    this.tabs();
    const links = (ids) => what("ul", { class: "plain" }, ids.map((id) => what("li", {}, what("a", { href: `#look/${encodeURIComponent(id)}` }, id))));
    const ids = Array.isArray(elements) ? elements : [];
    refill(byId("pane-look"), what("h2", {}, `Found for ${text}`),
      scenes.length ? [what("h3", {}, "Scenes"), links(scenes.map((one) => one.id))] : null,
      ids.length ? [what("h3", {}, "Elements"), links(ids)] : null,
      !scenes.length && !ids.length ? what("p", {}, typeof elements === "string" ? elements : "Nothing.") : null);
    byId("panel").focus();
  }
}

function go(tab, id = null) {
  const hash = id ? `#${tab}/${encodeURIComponent(id)}` : `#${tab}`;
  if (location.hash === hash) follow();
  else location.hash = hash;
}

function follow() {
  if (!desk) return;
  const [tab, ...rest] = location.hash.slice(1).split("/");
  const known = TABS.some(([name]) => name === tab) ? tab : "plans";
  let id = null;
  try {
    id = rest.length ? decodeURIComponent(rest.join("/")) : null;
  } catch {
    id = null;
  }
  desk.show(known, id);
}

// Sign-in

async function begin() {
  try {
    const me = await get("/v1/me");
    if (me.must_change) return askForPassword(true);
    desk?.stop();
    desk = new Desk(me);
    await desk.start();
  } catch (error) {
    if (error.status === 401) return askForPassword(false);
    byId("link").textContent = error.message;
    byId("link").classList.add("lost");
    setTimeout(begin, 3000);
  }
}

function askForPassword(change) {
  byId("sign-in").hidden = false;
  byId("desk").hidden = byId("search").hidden = true;
  byId("new-password-part").hidden = !change;
  byId("new-password").required = change;
  refill(byId("me"));
  byId(byId("username").value ? "password" : "username").focus();
}

function signedOut() {
  desk?.stop();
  askForPassword(false);
}

async function signIn(event) {
  event.preventDefault();
  const [username, password, next] = ["username", "password", "new-password"].map((id) => byId(id).value);
  const problem = byId("sign-in-problem");
  problem.textContent = "";
  try {
    const said = await call("POST", "/api/signIn", { username, password });
    if (said.must_change && !next) return askForPassword(true);
    if (said.must_change) {
      await call("POST", "/api/changePassword", { old: password, new: next });
      await call("POST", "/api/signIn", { username, password: next });
    }
    byId("password").value = byId("new-password").value = "";
    await begin();
  } catch (error) {
    problem.textContent = error.status === 401 ? "The name or the password is wrong." : error.message;
    byId("password").select();
  }
}

async function signOut() {
  await call("POST", "/api/signOut").catch(() => {});
  signedOut();
}

byId("sign-in-form").addEventListener("submit", signIn);
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = byId("query").value.trim();
  if (text && desk) desk.search(text).catch((error) => refill(byId("pane-look"), what("p", { class: "problem" }, error.message)));
});
addEventListener("hashchange", follow);
begin();
