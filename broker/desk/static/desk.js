// Starts the GOV.UK components. All pages work without this file.
import { initAll } from "./govuk-frontend.js";

initAll();
document.addEventListener("htmx:after:swap", () => initAll());
