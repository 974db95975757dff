// One thing looked at: a scene with its picture, files and jobs, or an element with its keys; and what the team says of it.

import { call, get } from "/page/api.js";
import { badge, byId, facts, km2, refill, size, table, what, when } from "/page/dom.js";

const MOST_KEYS = 60;

const quoted = (text) => `"${String(text).replaceAll('"', "")}"`;

export class Look {
  constructor(me) {
    this.me = me;
    this.mayWrite = me.role !== "guest" && me.scope !== "read";
    this.id = null;
    this.draft = "";
    this.problem = "";
  }

  /** Look at something by its id; a scene of that name comes first. */
  async open(id) {
    if (id !== this.id) this.draft = this.problem = "";
    this.id = id;
    const [scene, element] = await Promise.all([
      get(`/v1/items/${encodeURIComponent(id)}`).catch((error) => (error.status === 404 ? null : Promise.reject(error))), this.element(id)]);
    const talk = element ? await this.talk(id) : { comments: [], others: [], graph: [] };
    if (this.id === id) this.draw(scene, element, talk);
  }

  async element(id) {
    try {
      return await call("POST", "/api/read", id);
    } catch (error) {
      if ([404, 405].includes(error.status)) return null;
      throw error;
    }
  }

  async talk(id) {
    const found = await get(`/api/search/${encodeURIComponent(encodeURIComponent(`#parent:${quoted(id)}`))}?limit=100`).catch(() => []);
    const ids = Array.isArray(found) ? found : [];
    const read = ids.length ? [await call("POST", "/api/read", ids)].flat().filter(Boolean) : [];
    read.sort((a, b) => (a.time ?? 0) - (b.time ?? 0));
    const graph = [await get(`/api/graph/0/${encodeURIComponent(id)}`).catch(() => [])].flat().filter(Boolean);
    return { comments: read.filter((one) => "comment" in one && !("file" in one)), others: read.filter((one) => !("comment" in one) || "file" in one), graph };
  }

  draw(scene, element, talk) {
    refill(byId("pane-look"), what("h2", {}, this.id),
      scene ? this.scene(scene) : null,
      element ? this.keys(element, Boolean(scene)) : null,
      !scene && !element ? what("p", {}, "Nothing of this name is known here.") : null,
      element ? this.lineage(talk) : null,
      scene || element ? this.comments(scene, element, talk.comments) : null);
  }

  scene(scene) {
    const picture = what("img", { class: "quicklook", alt: `Picture of ${scene.id}`, src: `/v1/items/${encodeURIComponent(scene.id)}/quicklook?max_px=512` });
    picture.addEventListener("error", () => picture.remove());
    const cloud = scene.properties.cloud_cover;
    return what("div", {},
      scene.files.some((one) => one.state === "present") ? picture : null,
      facts([["State", badge(scene.state)], ["Kind", scene.item_type], ["Taken", when(scene.properties.acquired)], ["Cloud", typeof cloud === "number" ? `${Math.round(cloud * 100)} %` : ""], ["Satellite", scene.properties.satellite_id], ["Published", when(scene.properties.published)]]),
      what("h3", {}, "Files"),
      scene.files.length ? table(["File", "Asset", "Size", "md5"], scene.files.map((one) => [[what("span", { class: "long" }, one.name), one.state === "present" ? "" : [" ", badge(one.state)]], [one.asset_type, one.clipped ? " (clipped)" : ""], size(one.size_bytes), what("span", { class: "mono" }, one.md5 ?? one.verified_by ?? "")]))
        : what("p", { class: "soft" }, "No file of it is here."),
      scene.jobs.length ? [what("h3", {}, "Jobs"), table(["Asset", "State", "Charged"], scene.jobs.map((job) => [job.asset_type, [badge(job.status), job.error_message ? what("p", { class: "problem" }, job.error_message) : ""], km2(job.spent_km2)]))] : null);
  }

  keys(element, isScene) {
    const pairs = Object.entries(element).filter(([key]) => !["_id", "lock"].includes(key)).slice(0, MOST_KEYS);
    const show = (key, value) => (key === "time" && Number.isFinite(value) ? when(value) : typeof value === "object" ? JSON.stringify(value) : String(value));
    return what("div", {},
      what("h3", {}, isScene ? "What the team says" : "Keys"),
      facts(pairs.map(([key, value]) => [key, show(key, value)])),
      what("div", { class: "row" }, element.lock ? what("span", {}, badge("locked"), ` locked by ${element.lock}`) : what("span", { class: "soft" }, "Nobody has locked it."),
        this.mayWrite && (!element.lock || element.lock === this.me.name || this.me.role === "admin")
          ? what("button", { type: "button", id: "lock", on: { click: () => this.act(() => call("PUT", element.lock ? "/api/unlock" : "/api/lock", this.id)) } }, element.lock ? "Unlock" : "Lock") : null));
  }

  lineage(talk) {
    const edges = talk.graph.filter((one) => one.src_id && one.tgt_id);
    return what("div", {},
      talk.others.length ? [what("h3", {}, "Versions and records"), table(["Name", "By", "When"], talk.others.map((one) => [what("a", { href: `#look/${encodeURIComponent(one._id)}` }, one.file ?? one._id), one.author ?? "", when(one.time)]))] : null,
      edges.length ? [what("h3", {}, "Made from"), what("ul", { class: "plain" }, edges.map((one) => what("li", {}, what("a", { href: `#look/${encodeURIComponent(one.src_id)}` }, one.src_id), " → ", what("a", { href: `#look/${encodeURIComponent(one.tgt_id)}` }, one.tgt_id))))] : null);
  }

  comments(scene, element, comments) {
    const field = what("textarea", { id: "comment", rows: 2, maxlength: 5000, on: { input: (event) => (this.draft = event.target.value) } });
    field.value = this.draft;
    const send = async (event) => {
      event.preventDefault();
      if (!this.draft.trim()) return;
      await this.act(async () => {
        if (!element) await call("POST", "/api/create", { _id: this.id, type: scene ? "scene" : "note" });
        await call("POST", "/api/comment", { "#parent": this.id, comment: this.draft });
        this.draft = "";
      });
    };
    return what("div", {}, what("h3", {}, "Comments"),
      comments.length ? comments.map((one) => what("div", {}, what("span", { class: "soft" }, `${one.author ?? ""} · ${when(one.time)}`), what("div", { class: "comment" }, String(one.comment)))) : what("p", { class: "soft" }, "Nobody has said anything."),
      this.mayWrite ? what("form", { on: { submit: send } }, what("label", { for: "comment" }, "Say something"), field, what("p", { class: "problem", role: "alert" }, this.problem), what("button", { type: "submit" }, "Comment")) : null);
  }

  async act(doing) {
    try {
      await doing();
      this.problem = "";
    } catch (error) {
      this.problem = error.message;
    }
    await this.open(this.id);
  }
}
