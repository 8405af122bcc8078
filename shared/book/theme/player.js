// Plays the recording of a run: `player(figure)` makes a player of a <figure> that holds the run's picture of time, an SVG, and
// its recording, JSON in a <script class="recording">. Another <script class="what-if"> may have more of both, of the same run with
// other numbers. The recording says what happens in each row of the picture, and what the log says then.
// Nothing here knows how stages work: what is shown is what the recording says.
"use strict";

const player = (() => {
    const SVG = "http://www.w3.org/2000/svg";
    const SPEEDS = [0.25, 0.5, 1, 2, 4];
    const ICONS = {
        play: "M4 2.5v11l9.5-5.5z",
        pause: "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z",
        previous: "M2.5 2.5h2.4v11H2.5zM13.5 2.5v11L5.5 8z",
        next: "M11.1 2.5h2.4v11h-2.4zM2.5 2.5v11l8-5.5z",
        leave: "M3 4.4 4.4 3 8 6.6 11.6 3 13 4.4 9.4 8l3.6 3.6-1.4 1.4L8 9.4 4.4 13 3 11.6 6.6 8z",
    };
    // Presenter remotes send Page Up, Page Down and a full stop.
    const KEYS = {
        " ": "toggle", ".": "toggle", ArrowRight: "next", ArrowDown: "next", PageDown: "next",
        ArrowLeft: "previous", ArrowUp: "previous", PageUp: "previous", Home: "first", End: "last",
        "+": "faster", "-": "slower", Escape: "leave",
    };
    const calm = matchMedia("(prefers-reduced-motion: reduce)");

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

    // What each stage is asked for, has asked for and has: a card for each stage.
    const makeCards = recording => {
        const list = make("ul", "player-cards");
        const most = Math.max(1, ...recording.rows.flatMap(row => [row.sought, ...row.counts.flat()]));
        const meters = [];
        const card = (title, group, parts) => {
            const item = make("li", group ? "grouped" : "");
            item.append(make("strong", "", group ? `${group.replace("Pipeline", "")} ${title}` : title));
            for (const [name, kind, title, count] of parts) {
                const meter = make("span", `player-meter ${kind}`, name);
                meter.title = title;
                const [number, length] = [make("b", ""), make("i", "")];
                meter.append(number, length);
                item.append(meter);
                meters.push({ meter, number, length, count });
            }
            list.append(item);
        };
        if (recording.source) {
            card(recording.source, null, [["seeks", "ask", "Events that the producer has pulled and not got", row => row.sought]]);
        }
        recording.stages.forEach((stage, index) => {
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
            card(stage.title, stage.group, parts);
        });
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

    // The picture: a band at the present row, a veil over what is still to come, and what happens now is lit.
    const makePicture = (svg, { rows, end }) => {
        const { x, width } = svg.viewBox.baseVal;
        const band = mark(svg, "rect", "player-band", svg.querySelector(".paper").nextSibling);
        const veil = mark(svg, "rect", "player-veil", null);
        const tokens = mark(svg, "g", "player-tokens", null);
        for (const it of [band, veil]) {
            it.setAttribute("x", x);
            it.setAttribute("width", width);
        }
        const happenings = Array.from(svg.querySelectorAll("[data-row]"));
        const stretches = Array.from(svg.querySelectorAll("[data-from]"));
        const stops = it => it.dataset.to === undefined ? rows.length : Number(it.dataset.to);
        // The arrows of a row, each with a token that goes along it.
        let [litRow, arrows] = [null, []];
        const light = row => {
            litRow = row;
            happenings.forEach(it => it.classList.toggle("now", Number(it.dataset.row) === row));
            tokens.replaceChildren();
            arrows = row === null ? [] : happenings.filter(it => it.classList.contains("now"))
                .flatMap(it => Array.from(it.querySelectorAll("path:is(.ask, .event):not(.head)")))
                .map(path => {
                    const token = mark(tokens, "circle", path.classList.contains("ask") ? "ask" : "event", null);
                    token.setAttribute("r", 6);
                    return { path, token };
                });
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
            arrows.forEach(({ path, token }, index) => {
                const way = along * arrows.length - index;
                token.style.display = way > 0 && way < 1 ? "" : "none";
                if (way > 0 && way < 1) {
                    const { x, y } = path.getPointAtLength(way * path.getTotalLength());
                    token.setAttribute("cx", x);
                    token.setAttribute("cy", y);
                }
            });
        };
        const hide = () => {
            [band, veil].forEach(it => it.setAttribute("height", 0));
            light(null);
            stretches.forEach(it => it.classList.remove("now"));
        };
        hide();
        return { band, show, hide, lit: () => svg.querySelectorAll("[data-row].now") };
    };

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

    // On a slide, the deck turns the keys into calls, and the picture moves in its frame instead of the page.
    return (figure, { isOnSlide = false } = {}) => {
        const box = make("div", "player");
        figure.before(box);
        const panel = make("div", "player-panel");
        const more = make("div", "player-more");
        const spoken = make("p", "player-spoken");
        box.append(figure, panel);
        if (!isOnSlide) {
            figure.tabIndex = 0;
        }

        // The position: a row, and the part of the way to the next one. None at first: the whole picture is shown.
        let [position, playing, before, speed] = [null, false, 0, 1];
        let recording, picture, cards, log;
        const last = () => recording.rows.length - 1;
        const row = () => Math.min(Math.floor(position ?? 0), last());

        // How long a row is lit, and how long the way to the next one takes, in milliseconds at speed 1.
        const hold = row => 500 + 400 * recording.rows[row].arrows.length;
        const gap = row => (recording.rows[row + 1]?.at ?? recording.rows[row].at) - recording.rows[row].at;
        const glide = row => gap(row) === 0 ? 200 : 250 + 8 * Math.min(gap(row), 100);

        const intoView = () => {
            const lit = picture.lit();
            const all = Array.from(lit.length ? lit : [picture.band], it => it.getBoundingClientRect());
            const motion = calm.matches ? "instant" : "smooth";
            const frame = figure.getBoundingClientRect();
            const here = picture.band.getBoundingClientRect();
            // A slide is larger or smaller than its pixels.
            const scale = frame.width / figure.offsetWidth;
            const isWide = figure.scrollWidth > figure.clientWidth + 1 && lit.length;
            const [left, right] = [Math.min(...all.map(it => it.left)), Math.max(...all.map(it => it.right))];
            figure.scrollBy({
                left: isWide ? (left + right - frame.left - frame.right) / 2 / scale : 0,
                top: isOnSlide ? (here.top + here.bottom - frame.top - frame.bottom) / 2 / scale : 0,
                behavior: motion,
            });
            if (isOnSlide) {
                return;
            }
            const [top, bottom] = [70, Math.min(innerHeight, controls.bar.getBoundingClientRect().top) - 30];
            const by = here.bottom > bottom ? here.bottom - bottom + (bottom - top) / 3 : here.top < top ? here.top - top - 60 : 0;
            if (by !== 0) {
                scrollBy({ top: by, behavior: motion });
            }
        };
        let shown = null;
        const show = () => {
            box.classList.toggle("is-idle", position === null);
            box.classList.toggle("is-playing", playing);
            controls.play.querySelector("path").setAttribute("d", ICONS[playing ? "pause" : "play"]);
            controls.play.title = playing ? "Pause (Space)" : "Play (Space)";
            controls.play.setAttribute("aria-label", controls.play.title);
            controls.range.value = position ?? 0;
            if (position === null) {
                picture.hide();
                [shown, controls.clock.value, spoken.textContent] = [null, "", ""];
                return;
            }
            const now = row();
            const way = (position - now) * (hold(now) + glide(now));
            const part = calm.matches ? 0 : Math.max(0, way - hold(now)) / glide(now);
            const at = mix(recording.rows[now].at, recording.rows[now].at + gap(now), part);
            picture.show(now, part * part * (3 - 2 * part), way < hold(now) || gap(now) === 0, calm.matches ? 0 : way / hold(now));
            controls.clock.value = seconds(at);
            if (shown !== now) {
                shown = now;
                cards.show(recording.rows[now]);
                log.show(now);
                const words = `${seconds(recording.rows[now].at)}: ${recording.rows[now].words}`;
                controls.range.setAttribute("aria-valuetext", words);
                spoken.textContent = playing ? "" : words;
                intoView();
            }
        };

        const tick = now => {
            if (!playing) {
                return;
            }
            let left = Math.min(now - before, 250) * speed;
            before = now;
            while (left > 0 && row() < last()) {
                const whole = hold(row()) + glide(row());
                const step = Math.min(left, whole * (row() + 1 - position));
                position = Math.min(position + step / whole, last());
                left -= Math.max(step, 1e-6);
                if (row() + 1 - position < 1e-9) {
                    position = row() + 1;
                }
            }
            playing = row() < last();
            show();
            requestAnimationFrame(tick);
        };
        const go = to => {
            playing = false;
            position = Math.max(0, Math.min(to, last()));
            show();
        };
        const on = {
            play: () => {
                if (!playing) {
                    position = position === null || row() === last() ? 0 : position;
                    [playing, before] = [true, performance.now()];
                    show();
                    requestAnimationFrame(tick);
                }
            },
            pause: () => {
                playing = false;
                show();
            },
            toggle: () => playing ? on.pause() : on.play(),
            next: () => go(position === null ? 0 : row() + 1),
            previous: () => go(position === null ? last() : position > row() ? row() : row() - 1),
            first: () => go(0),
            last: () => go(last()),
            scrub: go,
            setSpeed: to => {
                speed = to;
                controls.speed.value = to;
            },
            faster: () => on.setSpeed(SPEEDS[Math.min(SPEEDS.indexOf(speed) + 1, SPEEDS.length - 1)]),
            slower: () => on.setSpeed(SPEEDS[Math.max(SPEEDS.indexOf(speed) - 1, 0)]),
            leave: () => {
                [playing, position] = [false, null];
                show();
            },
        };
        const controls = makeBar(on);
        controls.speed.addEventListener("change", () => on.setSpeed(Number(controls.speed.value)));
        spoken.setAttribute("aria-live", "polite");
        panel.append(controls.bar, more, spoken);

        // Does what a key is for. Returns whether it is for anything here.
        const key = event => {
            const does = KEYS[event.key];
            const { target } = event;
            const isForTarget = target.closest?.("select")
                || target.closest?.("button") && event.key === " ";
            if (!does || isForTarget || event.ctrlKey || event.altKey || event.metaKey || does === "leave" && position === null) {
                return false;
            }
            on[does]();
            event.preventDefault();
            // mdBook has other plans with some of these.
            event.stopPropagation();
            return true;
        };
        if (!isOnSlide) {
            box.addEventListener("keydown", key);
        }

        // Shows this recording of this picture, from the beginning.
        const load = (svg, its) => {
            figure.querySelector("svg").replaceWith(svg);
            svg.querySelectorAll(".player-mark").forEach(it => it.remove());
            recording = its;
            picture = makePicture(svg, recording);
            [cards, log] = [makeCards(recording), makeLog(recording)];
            more.replaceChildren(cards.list, log.log);
            controls.range.max = last();
            on.leave();
        };
        const read = name => JSON.parse(figure.querySelector(`script.${name}`)?.textContent ?? "null");
        const original = [figure.querySelector("svg"), read("recording")];
        load(...original);
        const grid = read("what-if");
        if (grid) {
            panel.prepend(makeWhatIf(grid, original, load));
        }
        return {
            ...on, go, key, load, element: box,
            // Shows the moment that is this many seconds after the first.
            seek: time => go(Math.max(0, recording.rows.findLastIndex(row => row.at <= time * 10))),
            get row() { return position === null ? null : row(); },
            get isPlaying() { return playing; },
            get isAtEnd() { return row() === last(); },
            get recording() { return recording; },
        };
    };
})();

for (const figure of document.querySelectorAll(".content figure.picture")) {
    if (figure.querySelector("script.recording")) {
        figure.player = player(figure);
    }
}
