/// The page at `/`: the network as this server sees it, drawn in the browser from `/status.json`. It is one text with
/// nothing from elsewhere, so that it works in a network of its own; what other servers call themselves reaches the
/// page as text only, never as markup.
///
/// Nothing is told by colour alone: states have shapes, links have widths and dashes, queues have numbers.
enum AdminPage {
    static let html = head + style + body + "<script type=\"module\">\n" + script + "</script>\n</html>\n"

    private static let head = #"""
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <link rel="icon" href="data:,">
        <title>Pando</title>

        """#

    private static let style = #"""
        <style>
        :root {
          --back: #fff; --fore: #1b1f24; --dim: #5a6470; --line: #8a94a0; --faint: #d5dae0; --panel: #f4f6f8;
          --well: #0072b2; --tree: #0072b2; --warn: #b35900; --bad: #b3400a; --node: #e3f0f8; --focus: #7a2f8f;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --back: #14171a; --fore: #e8ebee; --dim: #a3adb8; --line: #76808b; --faint: #343b43; --panel: #1d2126;
            --well: #56b4e9; --tree: #56b4e9; --warn: #e69f00; --bad: #ff8a5c; --node: #16384d; --focus: #e0a3f0;
          }
        }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--back); color: var(--fore); font: 15px/1.45 system-ui, sans-serif; }
        header { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; padding: .6rem 1rem;
          background: var(--panel); border-bottom: 1px solid var(--faint); }
        h1 { font-size: 1.1rem; margin: 0; }
        h2 { font-size: .95rem; margin: 1rem 0 .3rem; }
        .chip { padding: .05rem .55rem; border: 1px solid var(--line); border-radius: 1rem; font-size: .85rem; }
        .chip.bad { border: 2px dashed var(--bad); color: var(--bad); font-weight: 600; }
        .chip.well { border-color: var(--well); }
        .fill { flex: 1; }
        label { font-size: .9rem; }
        select, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
          border-radius: .3rem; padding: .25rem .6rem; min-height: 2.1rem; max-width: 16rem; }
        :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
        main { display: grid; grid-template-columns: minmax(0, 5fr) minmax(20rem, 2fr);
          gap: 0 1.5rem; padding: 0 1rem; }
        aside { font-size: .9rem; }
        svg { width: 100%; height: auto; display: block; }
        #legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .82rem; color: var(--dim); }
        #legend svg { display: inline; width: 34px; height: 14px; vertical-align: -2px; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: .88rem; }
        th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--faint);
          white-space: nowrap; }
        td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
        dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .2rem 0; }
        dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
        ol { list-style: none; margin: 0; padding: 0; max-height: 14rem; overflow: auto; }
        #silence { display: none; margin: .6rem 1rem; padding: .5rem .8rem; border: 2px dashed var(--bad); }
        #silence.shown { display: block; }
        .edge { stroke: var(--line); stroke-width: 1.5; fill: none; }
        .edge.lazy { stroke-width: 1; }
        .edge.eager { stroke: var(--tree); stroke-width: 5; }
        .edge.doubtful { stroke-dasharray: 2 5; }
        .edge.lost { stroke: var(--bad); stroke-dasharray: 9 6; stroke-width: 2; }
        .node { cursor: pointer; }
        .node .shape { fill: var(--node); stroke: var(--well); stroke-width: 2.5; }
        .node.own .ring { stroke: var(--well); stroke-width: 1.5; fill: none; }
        .node.waiting .shape { fill: var(--back); }
        .node.away .shape { fill: var(--back); stroke: var(--bad); stroke-dasharray: 5 4; }
        .node.gone { opacity: .45; }
        .node .cross { stroke: var(--bad); stroke-width: 3; display: none; }
        .node.away .cross { display: inline; }
        .node .queue { fill: none; stroke: var(--warn); stroke-width: 6; }
        .node.chosen .shape { stroke-width: 5; }
        .node:focus-visible { outline: none; }
        .node:focus-visible .shape { stroke: var(--focus); stroke-width: 6; }
        text { fill: var(--fore); font: 13px system-ui, sans-serif; text-anchor: middle;
          paint-order: stroke; stroke: var(--back); stroke-width: 4px; stroke-linejoin: round; }
        text.load { stroke: none; }
        text.load { font-weight: 600; } text.note { fill: var(--warn); font-size: 12px; font-weight: 600; }
        .away text.note { fill: var(--bad); }
        meter { width: 4.5rem; }
        #rate:empty { display: none; }
        aside th, aside td { padding-right: .4rem; font-size: .82rem; }
        @media (max-width: 50rem) {
          main { grid-template-columns: minmax(0, 1fr); }
          svg text { font-size: 22px; } svg text.note { font-size: 20px; }
        }
        @media (prefers-reduced-motion: no-preference) { .node { transition: opacity .4s; } }
        </style>

        """#

    private static let body = #"""
        <body>
        <header>
          <h1 id="name">Pando</h1>
          <span id="chips"></span>
          <span id="rate" class="chip"></span>
          <span class="fill"></span>
          <label>Tree of <select id="origin"></select></label>
          <button id="pause" aria-pressed="false">Pause</button>
        </header>
        <p id="silence" role="alert"></p>
        <main>
          <section aria-label="The network">
            <svg id="graph" viewBox="0 0 800 600" role="group" aria-label="Servers and links"></svg>
            <p id="legend"></p>
            <h2>Servers</h2>
            <div class="scroll"><table><thead><tr><th>Server<th>State<th class="number">Clients
              <th class="number">Queue<th class="number">Oldest<th class="number">Links<th class="number">Heard
            </thead><tbody id="servers"></tbody></table></div>
          </section>
          <aside>
            <h2 id="chosen">This server</h2>
            <dl id="details"></dl>
            <h2>Links of this server</h2>
            <div class="scroll"><table><thead><tr><th>To<th>Dialled<th class="number">Round trip<th class="number">Open
              <th class="number">Unsent</thead><tbody id="links"></tbody></table></div>
            <h2>What happened</h2>
            <ol id="events" aria-live="polite"></ol>
            <h2>Limits, the nearest first</h2>
            <div class="scroll"><table><tbody id="limits"></tbody></table></div>
          </aside>
        </main>
        </body>

        """#
}
