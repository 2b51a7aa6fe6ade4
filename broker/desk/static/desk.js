// Starts the GOV.UK components. All pages work without this file.
import { initAll } from "./govuk-frontend.js";

document.body.classList.add("js-enabled", "govuk-frontend-supported");
initAll();
document.addEventListener("htmx:after:swap", () => initAll());
