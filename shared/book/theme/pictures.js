// A click on a picture, or Enter when it has the focus, opens the picture alone in a new tab, as large as the window.
"use strict";

{
    // All of it is seen, unless its letters would be too small: then it scrolls down. On a telephone, a picture that is much larger on its side, or
    // too wide, lies there, as if the telephone was turned.
    const style = (width, height) => `
        html { background: var(--paper); }
        body { margin: 0; }
        svg { display: block; margin: auto; height: auto; width: max(min(100%, 100svh * ${width / height}), ${0.85 * width}px); }
        @media (max-width: 600px) and (orientation: portrait) {
            svg { width: 100%; }
            .lies { --wide: max(min(100svh, 100vw * ${width / height}), min(100svh, ${0.8 * width}px)); }
            .lies { width: calc(var(--wide) * ${height / width}); height: 100svh; overflow: hidden; }
            .lies svg { width: var(--wide); margin: 0; transform-origin: 0 0; transform: translateY(100svh) rotate(-90deg); }
        }
        @media (max-width: 900px) and (orientation: landscape) {
            svg { width: 100%; }
        }`;

    const alone = figure => {
        const svg = figure.querySelector("svg").cloneNode(true);
        svg.querySelectorAll(".player-mark").forEach(mark => mark.remove());
        svg.querySelectorAll(".now, .works").forEach(it => it.classList.remove("now", "works"));
        const { width, height } = svg.viewBox.baseVal;
        const page = document.implementation.createHTMLDocument(svg.querySelector("title").textContent);
        // The theme of this page, and its colour.
        page.documentElement.className = document.documentElement.className;
        const paper = getComputedStyle(figure.querySelector(".paper")).fill;
        page.documentElement.style.setProperty("--paper", paper);
        svg.style.setProperty("--paper", paper);
        const part = (parent, name, more) => parent.appendChild(Object.assign(page.createElement(name), more));
        part(page.head, "meta", { name: "viewport", content: "width=device-width" });
        part(page.head, "style", { textContent: style(width, height) });
        const [upright, onItsSide] = [innerWidth / width, Math.min(innerHeight / width, innerWidth / height)];
        const lies = onItsSide > 1.3 * upright || upright < 0.55;
        part(page.body, "div", { className: lies ? "lies" : "" }).append(svg);
        return new Blob([`<!DOCTYPE html><meta charset="utf-8">${page.documentElement.outerHTML}`], { type: "text/html" });
    };

    for (const figure of document.querySelectorAll("figure.picture")) {
        const open = () => window.open(URL.createObjectURL(alone(figure)), "_blank");
        figure.tabIndex = 0;
        figure.title = "Click to open this picture alone";
        // Whoever selects text in the picture does not want to leave it.
        figure.addEventListener("click", () => getSelection().isCollapsed && open());
        figure.addEventListener("keydown", event => event.key === "Enter" && open());
        // A picture that scrolls says so: book.css.
        const tell = () => figure.classList.toggle("is-wider", figure.querySelector("svg").clientWidth > figure.clientWidth + 1);
        tell();
        new ResizeObserver(tell).observe(figure);
    }
}
