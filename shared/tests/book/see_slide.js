// What is wrong with the slide that is shown. The browser runs this in the deck.
() => {
    const slide = document.querySelector("#deck > .slide.is-shown");
    const deck = document.querySelector("#deck").getBoundingClientRect();
    const scale = deck.width / 1280;
    const visible = element => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const name = node => `${node.nodeName} ${node.textContent.trim().slice(0, 60)}`;

    // Text within a box that hides what does not fit, such as a picture that moves up, is judged by its visible part.
    const clips = element => {
        let box = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity };
        for (let parent = element; parent && parent !== slide; parent = parent.parentElement) {
            if (!parent.matches(".window, .player-log, svg")) continue;
            const { left, top, right, bottom } = parent.getBoundingClientRect();
            box = { left: Math.max(box.left, left), top: Math.max(box.top, top), right: Math.min(box.right, right), bottom: Math.min(box.bottom, bottom) };
        }
        return box;
    };

    const wrong = [];
    const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    let letters = 0;
    while (texts.nextNode()) {
        const text = texts.currentNode, element = text.parentElement;
        if (!text.textContent.trim() || element.closest("style, script, title, desc, .player-spoken") || !visible(element)) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        const clip = clips(element);
        for (const box of range.getClientRects()) {
            const shown = { left: Math.max(box.left, clip.left), top: Math.max(box.top, clip.top), right: Math.min(box.right, clip.right), bottom: Math.min(box.bottom, clip.bottom) };
            if (shown.right <= shown.left || shown.bottom <= shown.top) continue;
            letters += text.textContent.length;
            if (shown.left < deck.left - 1 || shown.top < deck.top - 1 || shown.right > deck.right + 1 || shown.bottom > deck.bottom + 1) {
                wrong.push(`beyond the edge: ${name(text)}`);
            }
        }
        const drawn = element.getScreenCTM ? element.getScreenCTM().a : scale;
        const size = parseFloat(getComputedStyle(element).fontSize) * drawn / scale;
        if (size < 19.99) wrong.push(`${size.toFixed(1)} px: ${name(text)}`);
    }
    if (letters === 0) wrong.push("it shows nothing");
    for (const element of slide.querySelectorAll("*")) {
        if (element.closest("svg, .player-spoken") || element.matches(".window, .screen, .player-log") || !visible(element)) continue;
        if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && getComputedStyle(element).display !== "inline") wrong.push(`too wide: ${name(element)}`);
        const box = element.getBoundingClientRect();
        if (!element.closest(".window, .screen, .player-log") && (box.bottom > deck.bottom + 1 || box.right > deck.right + 1 || box.top < deck.top - 1)) wrong.push(`beyond the edge: ${name(element)}`);
    }
    // Blocks that stand one after the other must not lie on one another.
    const blocks = Array.from(slide.children).filter(visible).map(block => block.getBoundingClientRect()).filter(box => box.height > 0);
    blocks.slice(1).forEach((box, index) => {
        if (box.top < blocks[index].bottom - 1) wrong.push(`two blocks overlap: ${name(slide.children[index])}`);
    });
    return { wrong: [...new Set(wrong)], kind: slide.className, part: Number(slide.dataset.part), text: slide.textContent };
}
