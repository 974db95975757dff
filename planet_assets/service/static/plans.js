// Plans that wait for a yes: picture, price by both routes, what is left; an editor approves or refuses.

import { call, get } from "/page/api.js";
import { badge, byId, facts, km2, refill, size, table, what, when } from "/page/dom.js";
import { picture } from "/page/map.js";

export class Plans {
  constructor(me, { waiting, show }) {
    this.mayDecide = ["editor", "admin"].includes(me.role) && me.scope !== "read";
    this.waiting = waiting;
    this.show = show;
    this.quota = null;
    this.reasons = new Map();
    this.problems = new Map();
    this.plans = [];
    this.rule = null;
    this.isAdmin = me.role === "admin" && me.scope !== "read";
  }

  async load() {
    [this.plans, this.rule] = [(await get("/v1/plans?limit=100")).plans, await get("/v1/rules")];
    this.draw();
    this.waiting(this.plans.filter((one) => one.state === "waiting"));
  }

  draw() {
    const open = this.plans.filter((one) => one.state === "waiting");
    const rest = this.plans.filter((one) => one.state !== "waiting").slice(0, 30);
    refill(byId("pane-plans"),
      what("h2", {}, open.length ? `${open.length} waiting for a yes` : "No plan waits for a yes"),
      open.map((one) => this.card(one)),
      rest.length ? what("h2", {}, "Answered") : null,
      rest.map((one) => this.answered(one)),
      this.rule ? this.unasked() : null);
  }

  /** What passes unasked; an admin may change it. */
  unasked() {
    const { above_km2: above, budgets, spent_km2: spent } = this.rule;
    const rows = Object.entries(budgets).map(([name, most]) => [name.replace(":", " "), km2(spent[name] ?? 0), km2(most)]);
    return what("section", { "aria-label": "What passes unasked" },
      what("h2", {}, "What passes unasked"),
      what("p", {}, above ? `Plans of up to ${km2(above)}.` : "Nothing that costs."),
      rows.length ? table(["Budget of the month", "Counted", "At the most"], rows) : null,
      this.isAdmin ? this.agreeing() : null);
  }

  agreeing() {
    const draft = (this.draft ??= { open: false, above: this.rule.above_km2, budgets: Object.entries(this.rule.budgets).map(([name, most]) => `${name} ${most}`).join("\n") });
    const above = what("input", { id: "rule-above", type: "number", min: 0, step: "any", value: draft.above, on: { input: () => (draft.above = above.value) } });
    const budgets = what("textarea", { id: "rule-budgets", rows: 3, placeholder: "person:ann 300", on: { input: () => (draft.budgets = budgets.value) } });
    budgets.value = draft.budgets;
    const problem = what("p", { class: "problem", role: "alert" });
    const agree = async (event) => {
      event.preventDefault();
      const pairs = budgets.value.split("\n").map((line) => line.trim().split(/\s+/)).filter((parts) => parts[0]);
      const wrong = pairs.find((parts) => parts.length !== 2 || !Number.isFinite(Number(parts[1])));
      if (wrong) return (problem.textContent = `"${wrong.join(" ")}" is no budget: write person:NAME or project:NAME and km².`);
      try {
        const known = { above_km2: Number(above.value), budgets: Object.fromEntries(pairs.map(([name, most]) => [name, Number(most)])), waits_for_s: this.rule.waits_for_s };
        this.rule = await call("PUT", "/v1/rules", known);
        this.draft = null;
        this.draw();
      } catch (error) {
        problem.textContent = error.message;
      }
    };
    return what("details", { id: "agree", open: draft.open, on: { toggle: (event) => (draft.open = event.target.open) } }, what("summary", {}, "Change it"), what("form", { on: { submit: agree } },
      what("label", { for: "rule-above" }, "Plans of up to, km²"), above,
      what("label", { for: "rule-budgets" }, "Budgets of a month, one a line"), budgets, problem,
      what("button", { type: "submit" }, "Agree")));
  }

  card(one) {
    const plan = one.plan;
    const left = this.quota?.known && this.quota.account === one.account ? this.quota.remaining_km2 : plan.quota?.remaining_km2;
    const after = left === null || left === undefined || one.km2 === null ? null : left - one.km2;
    return what("article", { class: "entry state-waiting", "aria-labelledby": `plan-${one.id}` },
      picture(plan),
      what("h3", { id: `plan-${one.id}` }, `${km2(one.km2)} for ${one.by}${one.project ? ` · ${one.project}` : ""}`),
      what("p", { class: "soft" }, `${plan.scene_count} scenes, ${plan.file_count} files, about ${size(plan.bytes)} · asked ${when(one.posted_at)}`),
      facts([
        ["Whole scenes", [km2(plan.data_km2), plan.route === "data" ? " (chosen)" : ""]],
        ["Clipped at Planet", [km2(plan.orders_km2), plan.route === "orders" ? " (chosen)" : ""]],
        ["Left now", km2(left)],
        ["Left after it", after === null ? "unknown" : after < 0 ? `${km2(-after)} too little` : km2(after)],
        ["Covers", typeof plan.covered_share === "number" ? `${Math.round(plan.covered_share * 100)} % of the region` : ""],
        ["Files", plan.asset_types.join(", ")],
        ["Quota", [badge(plan.verdict.word), " ", plan.verdict.reasons.join(" ")]],
        ["Why it waits", one.why.join(" ")],
      ]),
      what("p", {}, what("button", { type: "button", class: "plain", id: `show-${one.id}`, on: { click: () => this.show(plan) } }, "Show it on the map")),
      this.mayDecide ? this.decision(one) : what("p", { class: "soft" }, "An editor approves or refuses it."));
  }

  decision(one) {
    const field = what("input", { id: `reason-${one.id}`, maxlength: 2000, value: this.reasons.get(one.id) ?? "", placeholder: "Reason (needed to refuse)",
      on: { input: (event) => this.reasons.set(one.id, event.target.value) } });
    const answer = (how) => this.answer(one, how, field.value);
    return what("div", {},
      what("div", { class: "row" },
        what("span", { class: "grow" }, what("label", { class: "quiet", for: field.id }, "Reason"), field),
        what("button", { type: "button", class: "strong", id: `approve-${one.id}`, on: { click: () => answer("approve") } }, "Approve"),
        what("button", { type: "button", class: "danger", id: `refuse-${one.id}`, on: { click: () => answer("refuse") } }, "Refuse")),
      what("p", { class: "problem", role: "alert" }, this.problems.get(one.id) ?? ""));
  }

  async answer(one, how, reason) {
    if (how === "refuse" && !reason.trim()) {
      this.problems.set(one.id, "Say why: the script's owner reads it.");
      this.draw();
      byId(`reason-${one.id}`)?.focus();
      return;
    }
    for (const each of ["approve", "refuse"]) byId(`${each}-${one.id}`)?.setAttribute("disabled", "");
    try {
      await call("POST", `/v1/plans/${encodeURIComponent(one.id)}/${how}`, { reason });
      this.problems.delete(one.id);
      this.reasons.delete(one.id);
    } catch (error) {
      this.problems.set(one.id, error.message);
    }
    await this.load().catch(() => this.draw());
  }

  answered(one) {
    const by = one.decided_by ? `by ${one.decided_by}, ` : "";
    return what("article", { class: "entry" },
      what("div", { class: "row" }, badge(one.state), what("strong", {}, km2(one.km2)), what("span", {}, `for ${one.by}${one.project ? ` · ${one.project}` : ""}`)),
      what("p", { class: "soft" }, `${by}${when(one.decided_at)}${one.reason ? `: ${one.reason}` : ""}`),
      what("button", { type: "button", class: "plain", on: { click: () => this.show(one.plan) } }, "Show it on the map"));
  }
}
