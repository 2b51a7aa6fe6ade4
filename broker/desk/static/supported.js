// Says that scripts run, before anything is drawn; GOV.UK Frontend's styles look for these names.
document.documentElement.classList.add("js-page");
document.addEventListener("DOMContentLoaded", () => {
  document.body.classList.add("js-enabled", "govuk-frontend-supported");
});
