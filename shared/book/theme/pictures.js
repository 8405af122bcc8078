// A click on a picture, or Enter when it has the focus, opens the picture alone in a new tab, as large as you like.
"use strict";

for (const figure of document.querySelectorAll("figure.picture")) {
    const open = () => {
        const alone = figure.querySelector("svg").cloneNode(true);
        alone.querySelectorAll(".player-mark").forEach(mark => mark.remove());
        const svg = new XMLSerializer().serializeToString(alone);
        window.open(URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" })), "_blank");
    };
    figure.tabIndex = 0;
    figure.title = "Click to open this picture alone";
    // Whoever selects text in the picture does not want to leave it.
    figure.addEventListener("click", () => getSelection().isCollapsed && open());
    figure.addEventListener("keydown", event => event.key === "Enter" && open());
}
