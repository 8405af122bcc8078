// What the player of player.js is made of: the bar with its controls, the cards with the numbers of the stages, the transcript, the
// marks in the picture, and the controls that choose another run.
"use strict";

const playerParts = (() => {
    const SVG = "http://www.w3.org/2000/svg";
    const SPEEDS = [0.25, 0.5, 1, 2, 4];
    const ICONS = {
        play: "M4 2.5v11l9.5-5.5z",
        pause: "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z",
        previous: "M2.5 2.5h2.4v11H2.5zM13.5 2.5v11L5.5 8z",
        next: "M11.1 2.5h2.4v11h-2.4zM2.5 2.5v11l8-5.5z",
        leave: "M3 4.4 4.4 3 8 6.6 11.6 3 13 4.4 9.4 8l3.6 3.6-1.4 1.4L8 9.4 4.4 13 3 11.6 6.6 8z",
    };

    const make = (name, className, text = "") => {
        const element = document.createElement(name);
        element.className = className;
        element.textContent = text;
        return element;
    };
    const mark = (svg, name, className, before) => {
        const element = document.createElementNS(SVG, name);
        element.setAttribute("class", `player-mark ${className}`);
        return svg.insertBefore(element, before);
    };
    const seconds = tenths => `${(tenths / 10).toFixed(1)} s`;
    const mix = (from, to, part) => from + (to - from) * part;

    // The bar with the controls. `on` has a function for each.
    const makeBar = on => {
        const bar = make("div", "player-bar");
        const button = (name, title) => {
            const it = make("button", `player-${name}`);
            it.type = "button";
            it.title = title;
            it.setAttribute("aria-label", title);
            it.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
            it.addEventListener("click", on[name === "play" ? "toggle" : name]);
            bar.append(it);
            return it;
        };
        const previous = button("previous", "Previous event (← or Page Up)");
        const play = button("play", "Play (Space)");
        const next = button("next", "Next event (→ or Page Down)");
        const range = make("input", "player-range");
        Object.assign(range, { type: "range", min: 0, step: "any", value: 0 });
        range.setAttribute("aria-label", "Time");
        range.addEventListener("input", () => on.scrub(Number(range.value)));
        const clock = make("output", "player-clock");
        const speed = make("select", "player-speed");
        speed.title = "Speed (+ or -)";
        speed.setAttribute("aria-label", "Speed");
        speed.append(...SPEEDS.map(it => new Option(`${it}×`, it, it === 1, it === 1)));
        bar.append(range, clock, speed);
        const leave = button("leave", "Show the whole picture again (Esc)");
        return { bar, play, previous, next, range, clock, speed, leave };
    };

    // The numbers of each place in the recording: what it is asked for, has asked for, and has.
    const placesOf = recording => {
        const places = recording.stages.map((stage, index) => {
            const parts = [];
            if (stage.is_asked) {
                parts.push(["demand", "ask", "Events that it is asked for and has not sent", row => row.counts[index][0]]);
                if (!stage.asks) {
                    parts.push(["buffer", "event", "Events that nobody has asked for yet", row => row.counts[index][1]]);
                }
            }
            if (stage.asks) {
                parts.push(["asked", "ask", "Events that it has asked for and not received", row => row.counts[index][2]]);
                parts.push(["has", "event", "Events that it has received and not handled", row => row.counts[index][3]]);
            }
            const title = stage.group ? `${stage.group.replace("Pipeline", "")} ${stage.title}` : stage.title;
            return { name: stage.name, title, group: stage.group, parts };
        });
        if (recording.source) {
            const parts = [["seeks", "ask", "Events that the producer has pulled and not got", row => row.sought]];
            places.unshift({ name: recording.source, title: recording.source, parts });
        }
        return places;
    };

    // A card for each place.
    const makeCards = recording => {
        const list = make("ul", "player-cards");
        const most = Math.max(1, ...recording.rows.flatMap(row => [row.sought, ...row.counts.flat()]));
        const meters = [];
        for (const place of placesOf(recording)) {
            const item = make("li", place.group ? "grouped" : "");
            item.append(make("strong", "", place.title));
            for (const [name, kind, title, count] of place.parts) {
                const meter = make("span", `player-meter ${kind}`, name);
                meter.title = title;
                const [number, length] = [make("b", ""), make("i", "")];
                meter.append(number, length);
                item.append(meter);
                meters.push({ meter, number, length, count });
            }
            list.append(item);
        }
        const show = row => {
            for (const { meter, number, length, count } of meters) {
                const value = count(row);
                meter.classList.toggle("changed", number.textContent !== "" && number.textContent !== String(value));
                number.textContent = value;
                length.style.inlineSize = `${100 * value / most}%`;
            }
        };
        return { list, show };
    };

    const makeLog = recording => {
        const log = make("ol", "player-log");
        log.setAttribute("aria-label", "The transcript of that moment");
        log.append(...recording.said.map(([, text]) => make("li", "", text)));
        const show = row => {
            const before = row > 0 ? recording.rows[row - 1].said : 0;
            const { said } = recording.rows[row];
            Array.from(log.children).forEach((line, index) => {
                line.hidden = index >= said;
                line.classList.toggle("now", index >= before && index < said);
            });
            log.scrollTop = log.scrollHeight;
        };
        return { log, show };
    };

    // The tokens that go along the arrows of what is lit, one arrow after the other.
    const makeTokens = svg => {
        const group = mark(svg, "g", "player-tokens", null);
        let arrows = [];
        const load = lit => {
            group.replaceChildren();
            arrows = lit.flatMap(it => Array.from(it.querySelectorAll("path:is(.ask, .event):not(.head)"))).map(path => {
                const token = mark(group, "circle", path.classList.contains("ask") ? "ask" : "event", null);
                token.setAttribute("r", 6);
                return { path, token };
            });
        };
        const show = along => arrows.forEach(({ path, token }, index) => {
            const way = along * arrows.length - index;
            token.style.display = way > 0 && way < 1 ? "" : "none";
            if (way > 0 && way < 1) {
                const { x, y } = path.getPointAtLength(way * path.getTotalLength());
                token.setAttribute("cx", x);
                token.setAttribute("cy", y);
            }
        });
        return { load, show };
    };

    // The picture of time: a band at the present row, a veil over what is still to come, and what happens now is lit.
    const makeTime = (svg, { rows, end }) => {
        const { x, width } = svg.viewBox.baseVal;
        const band = mark(svg, "rect", "player-band", svg.querySelector(".paper").nextSibling);
        const veil = mark(svg, "rect", "player-veil", null);
        const tokens = makeTokens(svg);
        for (const it of [band, veil]) {
            it.setAttribute("x", x);
            it.setAttribute("width", width);
        }
        const happenings = Array.from(svg.querySelectorAll("[data-row]"));
        const stretches = Array.from(svg.querySelectorAll("[data-from]"));
        const stops = it => it.dataset.to === undefined ? rows.length : Number(it.dataset.to);
        let litRow = null;
        const light = row => {
            litRow = row;
            happenings.forEach(it => it.classList.toggle("now", Number(it.dataset.row) === row));
            tokens.load(happenings.filter(it => it.classList.contains("now")));
        };
        // `row` and what part of the way to the next one has passed; how far the tokens of this row are.
        const show = (row, part, isLit, along) => {
            const y = mix(rows[row].y, rows[row + 1]?.y ?? rows[row].y, part);
            const bottom = row + 1 === rows.length ? end + 18 : y + 10;
            band.setAttribute("y", y - 23);
            band.setAttribute("height", 33);
            veil.setAttribute("y", bottom);
            veil.setAttribute("height", Math.max(0, end + 18 - bottom));
            if (litRow !== (isLit ? row : null)) {
                light(isLit ? row : null);
            }
            stretches.forEach(it => it.classList.toggle("now", Number(it.dataset.from) <= row && row < stops(it)));
            tokens.show(along);
        };
        const hide = () => {
            [band, veil].forEach(it => it.setAttribute("height", 0));
            light(null);
            stretches.forEach(it => it.classList.remove("now"));
        };
        hide();
        return { band, show, hide, lit: () => svg.querySelectorAll("[data-row].now") };
    };

    // The picture of the stages: the arrows that go now are lit, each box has its numbers above it, and what works is lit.
    const makeStages = (svg, recording) => {
        const { rows } = recording;
        const split = (it, name) => it.dataset[name]?.split("|") ?? [];
        const arrows = Array.from(svg.querySelectorAll("[data-arrows]"));
        const runs = Array.from(svg.querySelectorAll("[data-run]"));
        let boxes = Array.from(svg.querySelectorAll("[data-places]")).map(it => {
            // A box of several stages: what the first one has asked for, and what all of them have.
            const places = split(it, "places").map(name => placesOf(recording).find(place => place.name === name)).filter(Boolean);
            const parts = places.length < 2 ? places[0]?.parts ?? [] : ["asked", "has"].map(name => {
                const all = places.flatMap(place => place.parts).filter(part => part[0] === name);
                const used = name === "asked" ? all.slice(0, 1) : all;
                return [name, all[0][1], all[0][2], row => used.reduce((sum, part) => sum + part[3](row), 0)];
            });
            return { it, parts };
        }).filter(({ parts }) => parts.length > 0);
        // Of the boxes that stand for the source, the one that runs has its number, or else the first.
        const sources = boxes.filter(({ parts }) => parts[0][0] === "seeks");
        const seeks = sources.find(({ it }) => it.dataset.run) ?? sources[0];
        boxes = boxes.filter(box => box === seeks || !sources.includes(box));
        const tokens = makeTokens(svg);
        const heads = Array.from(svg.querySelectorAll("path.head"));
        for (const box of boxes) {
            const rect = box.it.querySelector("rect");
            const [x, y, width] = ["x", "y", "width"].map(name => Number(rect.getAttribute(name)));
            const text = mark(svg, "text", "player-counts halo", null);
            // Beside the head of an arrow from above, if there is one.
            const middle = x + width / 2;
            const isBelow = heads.some(it => it.getAttribute("d").startsWith(`M${middle} ${y}L`));
            text.setAttribute("x", isBelow ? middle - 10 : middle);
            text.setAttribute("y", y - 7);
            text.setAttribute("text-anchor", isBelow ? "end" : "middle");
            box.numbers = box.parts.map(([name, kind, title, count], index) => {
                const part = document.createElementNS(SVG, "tspan");
                part.setAttribute("class", `counts-${kind}`);
                text.append(index > 0 ? "  " : "", part);
                return { part, name, count };
            });
        }
        let litRow = null;
        const light = row => {
            litRow = row;
            const now = row === null ? [] : rows[row].arrows.map(([from, to, isAsk]) => `${from} ${isAsk ? "asks" : "sends"} ${to}`);
            arrows.forEach(it => it.classList.toggle("now", split(it, "arrows").some(arrow => now.includes(arrow))));
            // In the order in which they happen.
            const at = it => Math.min(...split(it, "arrows").filter(arrow => now.includes(arrow)).map(arrow => now.indexOf(arrow)));
            tokens.load(arrows.filter(it => it.classList.contains("now")).sort((a, b) => at(a) - at(b)));
            runs.forEach(it => it.classList.toggle("now", row !== null && rows[row].run === true));
        };
        const show = (row, part, isLit, along) => {
            if (litRow !== (isLit ? row : null)) {
                light(isLit ? row : null);
            }
            for (const { it, numbers } of boxes) {
                numbers.forEach(({ part, name, count }) => { part.textContent = `${name} ${count(rows[row])}`; });
                const has = numbers.find(({ name }) => name === "has");
                it.classList.toggle("works", has !== undefined && has.count(rows[row]) > 0);
            }
            tokens.show(along);
        };
        const hide = () => {
            light(null);
            for (const { it, numbers } of boxes) {
                numbers.forEach(({ part }) => { part.textContent = ""; });
                it.classList.remove("works");
            }
        };
        hide();
        return { band: svg, show, hide, lit: () => svg.querySelectorAll("[data-arrows].now"), isOfStages: true };
    };

    const makePicture = (svg, recording) =>
        svg.querySelector("[data-row]") ? makeTime(svg, recording) : makeStages(svg, recording);

    // The controls that choose another run. `show` gets the picture and the recording of the chosen one.
    const makeWhatIf = (grid, original, show) => {
        const form = make("form", "player-what-if", "What if");
        const selects = grid.controls.map(({ name, values }, index) => {
            const label = make("label", "", name);
            const select = make("select", "");
            select.append(...values.map(value => new Option(value, value, false, value === grid.base.split(" ")[index])));
            label.append(select);
            form.append(label);
            return select;
        });
        const key = () => selects.map(it => it.value).join(" ");
        form.addEventListener("change", () => {
            if (key() !== grid.base && !grid.variants[key()]) {
                // Half of one is none.
                selects.at(-1).selectedIndex = 0;
            }
            const variant = grid.variants[key()];
            if (variant) {
                const svg = new DOMParser().parseFromString(variant.svg, "image/svg+xml").documentElement;
                svg.querySelector("style").textContent = grid.style;
                show(document.importNode(svg, true), variant.recording);
            } else {
                show(...original);
            }
        });
        return form;
    };

    // A recording that is packed: hexadecimal digits, and within them gzip.
    const unpack = async digits => {
        const bytes = Uint8Array.from(digits.match(/../g), byte => parseInt(byte, 16));
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
        return new Response(stream).json();
    };

    return { SPEEDS, ICONS, make, seconds, mix, makeBar, makeCards, makeLog, makePicture, makeWhatIf, unpack };
})();
