/// What the page does: asks for `/status.json` once a second and brings the picture up to date, in place, so that
/// whoever goes through it by keyboard stays where he is.
extension AdminPage {
    static let script = #"""
        "use strict";
        const find = id => document.getElementById(id);
        const period = 1000, patience = 4000, lostShown = 30000;
        // Neighbours acknowledge at once, others with their announcements: every 40 seconds for all streams.
        const settling = 8000, settlingAfar = 60000;
        let status = null, before = null, chosen = null, origin = null, paused = false, answered = 0;
        const nodes = new Map(), edges = new Map(), lost = new Map(), states = new Map();

        function make(name, attributes = {}, parent = null) {
          const element = document.createElementNS("http://www.w3.org/2000/svg", name);
          for (const key in attributes) element.setAttribute(key, attributes[key]);
          if (parent) parent.append(element);
          return element;
        }
        function tell(element, text) { if (element.textContent !== text) element.textContent = text; }
        function cell(row, text, isNumber) {
          const element = row.insertCell();
          element.textContent = text;
          if (isNumber) element.className = "number";
        }
        function time(ms) {
          if (ms < 1000) return ms + " ms";
          const s = Math.round(ms / 1000);
          if (s < 120) return s + " s";
          return s < 7200 ? Math.round(s / 60) + " min" : Math.round(s / 3600) + " h";
        }
        function bytes(count) {
          for (const unit of ["B", "KiB", "MiB"]) {
            if (count < 1024) return Math.round(count) + " " + unit;
            count /= 1024;
          }
          return count.toFixed(1) + " GiB";
        }
        // Servers on one host differ by their ports.
        function shortName(address) {
          const host = text => text.slice(0, text.lastIndexOf(":"));
          const same = status.members.every(each => host(each.address) === host(address));
          return same ? address.slice(address.lastIndexOf(":")) : address;
        }
        function state(member) {
          if (member.status === "unreachable") return "unreachable";
          if (member.status === "departed") return "departed";
          if (member.leaving) return "leaving";
          if (member.draining) return "draining";
          return member.serving ? "serving" : "joining";
        }
        function isWaiting(member) {
          const own = status.members.find(each => each.self), isNear = own.neighbours.includes(member.id);
          const isLate = member.queue_oldest_ms > (isNear ? settling : settlingAfar);
          return member.queue_records > 0 && (state(member) === "unreachable" || isLate);
        }
        function byID(id) { return status.members.find(member => member.id === id); }

        // MARK: The graph

        function place(index, count) {
          const angle = 2 * Math.PI * index / count - Math.PI / 2;
          return count === 1 ? { x: 400, y: 300 } : { x: 400 + 270 * Math.cos(angle), y: 300 + 215 * Math.sin(angle) };
        }
        function radius(member, count) {
          const room = Math.min(34, 900 / count);
          return Math.max(5, Math.min(room, room * (.6 + Math.sqrt(member.load) / 60)));
        }
        function key(one, other) { return one < other ? one + other : other + one; }

        // What is known of a link for the stream of the chosen origin. Of links between others it is not known here.
        function kinds() {
          const own = status.members.find(member => member.self), source = byID(origin);
          const result = new Map();
          for (const neighbour of own.neighbours) result.set(key(own.id, neighbour), "lazy");
          if (source && source.parent) result.set(key(own.id, source.parent), "eager");
          if (source) for (const other of source.pushed_to) result.set(key(own.id, other), "eager");
          return result;
        }
        function drawEdges(places) {
          const found = new Map(), kind = kinds(), now = performance.now();
          for (const member of status.members) {
            // A server that nobody reaches is not asked whether its links still stand.
            if (state(member) === "unreachable" || state(member) === "departed") continue;
            for (const other of member.neighbours) {
              if (!places.has(other)) continue;
              const name = key(member.id, other), edge = found.get(name);
              found.set(name, { ends: [member.id, other], tellers: (edge ? edge.tellers : 0) + 1 });
            }
          }
          for (const [name, edge] of edges) {
            if (found.has(name)) lost.delete(name);
            else if (!lost.has(name)) lost.set(name, { ends: edge.ends, since: now });
          }
          for (const [name, edge] of lost) {
            const isOver = now - edge.since > lostShown || !edge.ends.every(end => places.has(end));
            if (isOver) lost.delete(name);
            else found.set(name, { ends: edge.ends, isLost: true });
          }
          for (const [name, edge] of edges) {
            if (!found.has(name)) { edge.line.remove(); edges.delete(name); }
          }
          for (const [name, edge] of found) {
            const shown = edges.get(name) || { line: make("line", {}, layer.edges) };
            shown.ends = edge.ends;
            edges.set(name, shown);
            const [from, to] = edge.ends.map(end => places.get(end));
            shown.line.setAttribute("x1", from.x); shown.line.setAttribute("y1", from.y);
            shown.line.setAttribute("x2", to.x); shown.line.setAttribute("y2", to.y);
            const doubt = edge.tellers === 1 && !kind.has(name) ? " doubtful" : "";
            shown.line.setAttribute("class", "edge " + (edge.isLost ? "lost" : (kind.get(name) || "") + doubt));
          }
        }
        function newNode(id) {
          const group = make("g", { tabindex: 0, role: "button" }, layer.nodes);
          const node = { group,
            ring: make("circle", { class: "ring" }, group), queue: make("path", { class: "queue" }, group),
            round: make("circle", { class: "shape" }, group), square: make("rect", { class: "shape" }, group),
            cross: make("path", { class: "cross" }, group), load: make("text", { class: "load", dy: ".35em" }, group),
            label: make("text", {}, group), note: make("text", { class: "note" }, group) };
          group.addEventListener("click", () => choose(id));
          group.addEventListener("keydown", event => {
            if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(id); }
            const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
            if (!step) return;
            event.preventDefault();
            const order = sorted().map(member => member.id), count = order.length;
            nodes.get(order[(order.indexOf(id) + step + count) % count]).group.focus();
          });
          return node;
        }
        // Part of a circle from the top, clockwise: a thousand records are half of it, a million all.
        function arc(r, share) {
          if (share <= 0) return "";
          const angle = 2 * Math.PI * Math.min(share, .999) - Math.PI / 2;
          return `M0,${-r}A${r},${r} 0 ${share > .5 ? 1 : 0} 1 ${r * Math.cos(angle)},${r * Math.sin(angle)}`;
        }
        function drawNode(member, at, count) {
          const node = nodes.get(member.id) || newNode(member.id), r = radius(member, count), what = state(member);
          nodes.set(member.id, node);
          const classes = ["node", member.self ? "own" : "", member.id === chosen ? "chosen" : "",
            { unreachable: "away", departed: "away gone", joining: "waiting", leaving: "waiting" }[what] || ""];
          node.group.setAttribute("class", classes.join(" "));
          node.group.setAttribute("transform", `translate(${at.x},${at.y})`);
          const isSquare = what === "unreachable" || what === "departed";
          node.round.setAttribute("r", isSquare ? 0 : r);
          const side = isSquare ? 2 * r : 0;
          for (const [name, value] of [["x", -r], ["y", -r], ["width", side], ["height", side]]) {
            node.square.setAttribute(name, value);
          }
          node.ring.setAttribute("r", member.self ? r + 5 : 0);
          const c = r * .6;
          node.cross.setAttribute("d", `M${-c},${-c}L${c},${c}M${c},${-c}L${-c},${c}`);
          node.queue.setAttribute("d", arc(r + 10, isWaiting(member) ? Math.log10(1 + member.queue_records) / 6 : 0));
          tell(node.load, isSquare || r < 12 ? "" : String(member.load));
          tell(node.label, count > 40 && member.id !== chosen && !member.self ? "" : shortName(member.address));
          // Outside of the circle, where no link is.
          const isAbove = at.y < 299, isBeside = Math.abs(at.y - 300) < 120 && count > 2;
          const [x, y] = isBeside ? [Math.sign(at.x - 400) * (r + 16), 4] : [0, isAbove ? -r - 32 : r + 27];
          for (const text of [node.label, node.note]) {
            text.setAttribute("x", x);
            text.setAttribute("style", "text-anchor:" + (!isBeside ? "middle" : x > 0 ? "start" : "end"));
          }
          node.label.setAttribute("y", y);
          const queue = isWaiting(member) ? `${member.queue_records} waiting` : "";
          tell(node.note, what === "serving" ? queue : queue ? `${what}, ${queue}` : what);
          node.note.setAttribute("y", y + 15);
          node.group.setAttribute("aria-label", `${member.address}, ${what}, ${member.load} clients, ` +
            `${member.queue_records} records waiting, ${member.neighbours.length} links`);
        }
        function sorted() { return [...status.members].sort((one, other) => one.address < other.address ? -1
          : one.address > other.address ? 1 : one.id < other.id ? -1 : 1); }
        function draw() {
          const order = sorted(), places = new Map();
          order.forEach((member, index) => places.set(member.id, place(index, order.length)));
          for (const [id, node] of nodes) if (!places.has(id)) { node.group.remove(); nodes.delete(id); }
          drawEdges(places);
          for (const member of order) drawNode(member, places.get(member.id), order.length);
        }

        // MARK: Words

        function chip(text, isWell) {
          const element = document.createElement("span");
          element.className = "chip " + (isWell ? "well" : "bad");
          element.textContent = (isWell ? "✓ " : "✕ ") + text;
          return element;
        }
        function writeHead() {
          tell(find("name"), "Pando " + status.address);
          document.title = (status.whole ? "" : "✕ ") + "Pando " + status.address;
          find("chips").replaceChildren(chip(status.ready ? "serving" : status.stage, status.ready), " ",
            chip(status.unreachable ? `${status.unreachable} of ${status.reachable + status.unreachable} servers away`
              : status.reachable === 1 ? "alone" : `all ${status.reachable} servers`, status.unreachable === 0));
          if (before && status.uptime_ms > before.uptime_ms) {
            const rate = (status.counters.activities_delivered - before.counters.activities_delivered) * 1000
              / (status.uptime_ms - before.uptime_ms);
            tell(find("rate"), `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} activities/s`);
          }
        }
        function writeServers() {
          const rows = find("servers");
          rows.replaceChildren();
          for (const member of sorted()) {
            const row = rows.insertRow();
            cell(row, member.address + (member.self ? " (this one)" : "")); cell(row, state(member));
            cell(row, member.load, true); cell(row, member.queue_records, true);
            cell(row, member.queue_records ? time(member.queue_oldest_ms) : "", true);
            cell(row, member.neighbours.length, true); cell(row, member.self ? "" : time(member.heard_ms), true);
          }
        }
        function writeLinks() {
          const rows = find("links");
          rows.replaceChildren();
          for (const link of status.links) {
            const row = rows.insertRow();
            cell(row, link.address || "?"); cell(row, link.dialled_here ? "here" : "there");
            cell(row, link.round_trip_us === undefined ? "" : (link.round_trip_us / 1000).toFixed(2) + " ms", true);
            cell(row, link.phase === "open" ? time(link.open_ms) : link.phase, true);
            cell(row, bytes(link.unsent_bytes + link.under_way_bytes), true);
          }
        }
        function writeLimits() {
          const rows = find("limits");
          rows.replaceChildren();
          const share = limit => limit.limit > 0 ? limit.used / limit.limit : 0;
          for (const limit of [...status.limits].sort((one, other) => share(other) - share(one))) {
            const row = rows.insertRow();
            cell(row, limit.name.replaceAll("_", " "));
            const meter = document.createElement("meter");
            meter.max = 1; meter.high = .8; meter.value = share(limit); meter.ariaLabel = limit.name;
            row.insertCell().append(meter);
            cell(row, (share(limit) * 100).toFixed(share(limit) < .1 ? 1 : 0) + " %", true);
          }
        }
        function writeDetails() {
          const member = byID(chosen);
          if (!member) return;
          tell(find("chosen"), member.address + (member.self ? " (this server)" : ""));
          const name = id => { const other = byID(id); return other ? other.address : "?"; };
          const end = status.link_ends.find(each => each.address === member.address);
          const lines = [["State", state(member)], ["Clients", `${member.load} (weight ${member.weight})`],
            ["Links to", member.neighbours.map(name).join(", ") || "nobody"],
            ["Its records come",
              member.self ? "from here" : member.parent ? "from " + name(member.parent) : "by no way"],
            ["and go on to", member.pushed_to.map(name).join(", ") || "nobody"],
            ["Records", `${member.held} held, ${member.delivered} shown`],
            ["It lacks", member.queue_records ? `${member.queue_records} records, ${bytes(member.queue_bytes)}, ` +
              `the oldest for ${time(member.queue_oldest_ms)}` : "nothing that is here"],
            ["Last link ended", end ? `${end.reason}, ${time(end.ago_ms)} ago` : ""], ["ID", member.id]];
          find("details").replaceChildren(...lines.filter(line => line[1]).flatMap(line => {
            const [term, text] = [document.createElement("dt"), document.createElement("dd")];
            term.textContent = line[0]; text.textContent = line[1];
            return [term, text];
          }));
        }
        function writeOrigins() {
          const select = find("origin"), order = sorted(), known = [...select.options].map(option => option.value);
          if (order.map(member => member.id).join() === known.join()) return;
          select.replaceChildren(...order.map(member => new Option(member.address, member.id)));
          select.value = origin;
        }
        function note(text) {
          const line = document.createElement("li");
          line.textContent = new Date().toLocaleTimeString() + "  " + text;
          find("events").prepend(line);
          while (find("events").children.length > 100) find("events").lastChild.remove();
        }
        function noteChanges() {
          const present = new Set();
          for (const member of status.members) {
            const was = states.get(member.id), is = state(member);
            present.add(member.id);
            if (before && was !== is) note(`${member.address}: ${was ? was + " → " : "new, "}${is}`);
            states.set(member.id, is);
          }
          for (const id of states.keys()) if (!present.has(id)) states.delete(id);
        }

        // MARK: The course of things

        function choose(id) { chosen = origin = id; find("origin").value = id; show(); }
        function show() {
          if (!status) return;
          const own = status.members.find(member => member.self);
          if (!byID(chosen)) chosen = own.id;
          if (!byID(origin)) origin = own.id;
          writeOrigins(); draw(); writeHead(); writeServers(); writeLinks(); writeLimits(); writeDetails();
        }
        async function ask() {
          if (!paused && !document.hidden) {
            try {
              const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(patience) });
              if (!answer.ok) throw new Error("status " + answer.status);
              before = status;
              status = await answer.json();
              answered = Date.now();
              if (before && before.server !== status.server) { before = null; note("this server was started anew"); }
              noteChanges();
              show();
              find("silence").className = "";
            } catch (error) {
              tell(find("silence"), `This server does not answer (${error.message}). ` + (answered
                ? `The picture is of ${new Date(answered).toLocaleTimeString()}.` : ""));
              find("silence").className = "shown";
            }
          }
          setTimeout(ask, period);
        }
        function writeLegend() {
          const lines = [["edge eager", "the tree of the chosen server, as far as it passes here"],
            ["edge lazy", "redundant for it (thin)"], ["edge", "between others"],
            ["edge doubtful", "told by one end only"], ["edge lost", "gone within the last half minute"]];
          for (const [name, text] of lines) {
            const item = document.createElement("span"), picture = make("svg", { viewBox: "0 0 34 14" });
            make("line", { class: name, x1: 1, y1: 7, x2: 33, y2: 7 }, picture);
            item.append(picture, " " + text);
            find("legend").append(item);
          }
          const rest = document.createElement("span");
          rest.textContent = "Circle: serving. Hollow: joining, draining or leaving. Dashed square with a cross: " +
            "unreachable. Arc: records waiting for that server. Number: its clients.";
          find("legend").append(rest);
        }
        const layer = { edges: make("g", {}, find("graph")), nodes: make("g", {}, find("graph")) };
        find("origin").addEventListener("change", event => choose(event.target.value));
        find("pause").addEventListener("click", event => {
          paused = !paused;
          event.target.setAttribute("aria-pressed", String(paused));
          tell(event.target, paused ? "Go on" : "Pause");
        });
        writeLegend();
        ask();

        """#
}
