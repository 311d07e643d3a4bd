"""What can be said of a page by measuring it: texts that are too faint to be read, and things without a name."""

# Texts whose contrast to what is behind them is below 4.5 (3 where they are large), WCAG 2.2, 1.4.3.
CONTRAST = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const channel = (value) => { const part = value / 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; };
  const light = ({ r, g, b }) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  const isShown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !isShown(element) || element.closest("svg, noscript")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(parse(style.color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  return faint;
}"""

# Whatever a reader who does not see the page would miss.
UNLABELLED = """() => {
  const missing = [];
  const nameOf = (element) => (element.getAttribute("aria-label") ?? element.textContent ?? "").trim();
  const all = (selector) => [...document.querySelectorAll(selector)];
  for (const one of all("a, button, summary")) if (!nameOf(one)) missing.push(`without a name: ${one.tagName}`);
  for (const one of all("input, meter, progress")) if (!one.getAttribute("aria-label") && !one.labels?.length) missing.push(`without a label: ${one.tagName}`);
  for (const one of all("img")) if (!one.hasAttribute("alt")) missing.push("an image without an alternative");
  for (const one of all("svg")) if (!one.getAttribute("aria-label") && one.getAttribute("aria-hidden") !== "true") missing.push("a drawing without words");
  for (const one of all("table")) if (!one.querySelector("th[scope=col]")) missing.push("a table without heads");
  for (const one of all(".pill")) if (nameOf(one).length < 3) missing.push("a status in a colour alone");
  const ids = all("[id]").map((one) => one.id);
  if (new Set(ids).size !== ids.length) missing.push("an id twice");
  if (all("h1").length !== 1) missing.push(`${all("h1").length} first headings`);
  let depth = 0;
  for (const one of all("h1, h2, h3")) {
    const own = Number(one.tagName[1]);
    if (own > depth + 1) missing.push(`a heading of level ${own} below one of level ${depth}: ${one.textContent}`);
    depth = own;
  }
  if (!document.documentElement.lang) missing.push("no language");
  if (!document.title) missing.push("no title");
  return missing;
}"""
