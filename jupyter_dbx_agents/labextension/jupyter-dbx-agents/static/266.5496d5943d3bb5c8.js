"use strict";(self.rspackChunkjupyter_dbx_agents=self.rspackChunkjupyter_dbx_agents||[]).push([[266],{45(e,t,n){var o=n(43),r=n.n(o),a=n(44),i=(n.n(a))()(r());i.push([e.id,`/* The status bar centres the text of labels, but not of buttons. */
:is(.jp-DbxAgents-StatusItem, .jp-DbxAgents-CountItem) {
  display: flex;
  align-items: center;
}

:is(.jp-DbxAgents-StatusItem, .jp-DbxAgents-CountItem) button {
  border: 0;
  background: none;
  color: inherit;
  font: inherit;
  padding: 0 6px;
  cursor: pointer;
  white-space: nowrap;
  font-variant-numeric: tabular-nums;
}

.jp-DbxAgents-StatusItem button::before {
  content: "";
  display: inline-block;
  width: 8px;
  height: 8px;
  margin-right: 6px;
  border-radius: 50%;
  background: var(--jp-ui-font-color3);
}

.jp-DbxAgents-StatusItem button[data-level="good"]::before {
  background: var(--jp-success-color1);
}

.jp-DbxAgents-StatusItem button[data-level="warning"]::before {
  background: var(--jp-warn-color1);
}

.jp-DbxAgents-StatusItem button[data-level="bad"]::before {
  background: var(--jp-error-color1);
}

:is(.jp-DbxAgents-StatusItem, .jp-DbxAgents-CountItem) button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.jp-DbxAgents-PatDialog .jp-Dialog-content {
  width: 480px;
  max-width: 92vw;
  max-height: 94vh; /* and not JupyterLab's 80: it fits a low window whole */
}

.jp-DbxAgents-PatDialog .jp-Dialog-button.jp-mod-reject {
  border: 1px solid var(--jp-border-color1);
  background: none;
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-help-dialog dt {
  margin-top: 8px;
  font-weight: 600;
}

.jp-DbxAgents-help-dialog dd {
  margin: 2px 0 0;
}

.jp-DbxAgents-help-dialog a {
  color: var(--jp-content-link-color);
  text-decoration: underline;
}

.jp-DbxAgents-choice fieldset {
  border: 0;
  margin: 0 0 12px;
  padding: 0;
}

.jp-DbxAgents-choice legend {
  font-weight: 600;
  padding: 0;
}

.jp-DbxAgents-choice label {
  align-items: center;
  display: flex;
  gap: 8px;
  min-height: 24px;
}

.jp-DbxAgents-PatForm p {
  margin: 8px 0;
}

.jp-DbxAgents-PatForm ol {
  margin: 8px 0;
  padding-left: 1.4em;
}

.jp-DbxAgents-PatForm li {
  margin: 8px 0;
}

.jp-DbxAgents-PatForm a {
  color: var(--jp-content-link-color);
  text-decoration: underline;
}

.jp-DbxAgents-PatForm input {
  display: block;
  box-sizing: border-box;
  width: 100%;
  margin-top: 4px;
}

.jp-DbxAgents-PatForm a.jp-DbxAgents-signIn {
  display: inline-block;
  padding: 4px 12px;
  border-radius: var(--jp-border-radius);
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
  text-decoration: none;
}

.jp-DbxAgents-picture {
  display: block;
  width: 100%;
  margin-top: 4px;
  font-family: var(--jp-ui-font-family);
  font-size: 12px;
  fill: var(--jp-ui-font-color1);
}

.jp-DbxAgents-picture rect,
.jp-DbxAgents-picture path {
  fill: none;
  stroke: var(--jp-border-color0);
}

.jp-DbxAgents-picture rect.jp-mod-marked {
  stroke: var(--jp-success-color1);
  stroke-width: 2;
}

.jp-DbxAgents-error {
  min-height: 1.4em;
  color: var(--jp-error-color1);
}

.jp-DbxAgents-small {
  font-size: var(--jp-ui-font-size0);
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-Panel {
  overflow: auto;
  padding: 0 12px 16px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1);
}

.jp-DbxAgents-Panel h2 {
  margin: 16px 0 6px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  border-bottom: 1px solid var(--jp-border-color2);
  padding-bottom: 2px;
}

.jp-DbxAgents-Panel[tabindex="0"]:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.jp-DbxAgents-Panel:not([tabindex="0"]):focus {
  outline: none; /* its first control is the next stop */
}

.jp-DbxAgents-Panel p {
  margin: 4px 0;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-Panel section > :last-child {
  margin-bottom: 0;
}

.jp-DbxAgents-Panel ul,
.jp-DbxAgents-candidates ul {
  list-style: none;
  margin: 0;
  padding: 0;
}

.jp-DbxAgents-Panel li {
  padding: 4px 0;
}

.jp-DbxAgents-candidates li,
.jp-DbxAgents-line {
  display: flex;
  align-items: center;
  gap: 6px;
}

.jp-DbxAgents-grow,
.jp-DbxAgents-candidates li span {
  flex: 1;
  min-width: 0;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-line + .jp-DbxAgents-line {
  margin-top: 3px;
}

.jp-DbxAgents-name {
  flex: 1;
  min-width: 0;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-DbxAgents-line:has(> .jp-DbxAgents-name) .jp-DbxAgents-state {
  white-space: nowrap;
}

.jp-DbxAgents-mcp {
  flex: 1 0 fit-content;
  max-width: 55%;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-mcp + * {
  margin-left: auto;
}

.jp-DbxAgents-buttons {
  display: flex;
  gap: 6px;
  margin: 6px 0;
}

.jp-DbxAgents-buttons:empty {
  display: none;
}

.jp-DbxAgents-Panel button.jp-mod-styled,
.jp-DbxAgents-candidates button.jp-mod-styled {
  height: 24px;
  line-height: 24px;
  padding: 0 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  letter-spacing: 0;
}

.jp-DbxAgents-Panel button.jp-mod-styled:hover:enabled {
  background: var(--jp-layout-color3);
}

.jp-DbxAgents-Panel button.jp-mod-styled:is(:disabled, [aria-disabled]) {
  opacity: 0.55;
  cursor: default;
}

.jp-DbxAgents-Panel :is(button, input, select, summary):focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-DbxAgents-Panel select.jp-mod-styled {
  appearance: auto; /* its arrow is what tells it from a field */
  width: 100%;
  height: 24px;
  margin-top: 4px;
  padding: 0 4px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font: inherit;
  font-size: var(--jp-ui-font-size0);
  text-overflow: ellipsis;
}

.jp-DbxAgents-agent {
  flex: 0 0 auto;
}

.jp-DbxAgents-line > select.jp-mod-styled {
  flex: 1 1 48px;
  min-width: 48px;
  width: 0;
  margin-top: 0;
}

/* An agent's model has the room that the others leave: a side bar is 250 pixels wide. */
.jp-DbxAgents-model > select.jp-mod-styled {
  appearance: none;
  padding: 0 11px 0 4px;
  background:
    var(--jp-layout-color2)
    conic-gradient(from -36deg at 50% 100%, var(--jp-ui-font-color2) 72deg, transparent 0) right 3px
    center / 6px 4px no-repeat;
}

.jp-DbxAgents-model > button.jp-mod-styled {
  min-width: 24px;
  padding: 0 4px;
}

.jp-DbxAgents-Panel input[type="search"] {
  height: 24px;
  margin: 0;
}

.jp-DbxAgents-Panel input[type="checkbox"] {
  margin: 0;
}

.jp-DbxAgents-Panel label svg {
  display: block;
}

.jp-DbxAgents-Panel summary {
  cursor: pointer;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-Panel details {
  font-size: var(--jp-ui-font-size0);
  overflow-wrap: anywhere;
}

/* Small is a share of what is around it: what is small already is not made smaller. */
:is(.jp-DbxAgents-Panel details, .jp-DbxAgents-quiet)
  :is(summary, table, select.jp-mod-styled, input.jp-mod-styled, .jp-DbxAgents-quiet) {
  font-size: inherit;
}

.jp-DbxAgents-Panel progress,
.jp-DbxAgents-Panel meter {
  width: 100%;
}

.jp-DbxAgents-Panel table {
  width: 100%;
  border-collapse: collapse;
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-Panel :is(th, td) {
  padding: 3px 0 3px 6px;
  text-align: right;
  vertical-align: top;
  font-weight: normal;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}

.jp-DbxAgents-Panel :is(th, td):first-child {
  padding-left: 0;
  text-align: left;
  white-space: normal;
}

.jp-DbxAgents-Panel thead {
  color: var(--jp-ui-font-color2);
}

.jp-DbxAgents-Panel td svg {
  display: block;
  margin: 2px 0 0 auto;
}

.jp-DbxAgents-Panel polyline {
  fill: none;
  stroke: var(--jp-brand-color1);
  stroke-width: 1.5;
}

.jp-DbxAgents-facts {
  display: flex;
  flex-wrap: wrap;
  gap: 0 12px;
}

.jp-DbxAgents-said {
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size0);
  align-self: center;
}

.jp-DbxAgents-said:not(:empty)::before {
  content: "✓ ";
  color: var(--jp-success-color1);
}

.jp-DbxAgents-Panel fieldset {
  min-width: 0;
  margin: 0;
  padding: 0;
  border: 0;
}

.jp-DbxAgents-offline:not(:empty) {
  padding: 4px 8px;
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-icon {
  margin-right: 4px;
  vertical-align: -3px;
}

.jp-DbxAgents-quiet {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-bad {
  color: var(--jp-error-color1);
}

.jp-DbxAgents-Panel td .jp-DbxAgents-bad {
  display: block;
}

.jp-DbxAgents-state::before {
  content: "";
  display: inline-block;
  width: 8px;
  height: 8px;
  margin-right: 5px;
  border-radius: 50%;
  background: var(--jp-ui-font-color3);
}

.jp-DbxAgents-state[data-level="good"]::before {
  background: var(--jp-success-color1);
}

.jp-DbxAgents-state[data-level="warning"]::before {
  background: var(--jp-warn-color1);
}

.jp-DbxAgents-state[data-level="bad"]::before {
  background: var(--jp-error-color1);
}

.jp-DbxAgents-banner {
  position: absolute;
  right: 24px;
  z-index: 10;
  max-width: calc(100% - 60px);
  box-sizing: border-box;
  padding: 6px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  box-shadow: var(--jp-elevation-z4);
  font-size: var(--jp-ui-font-size1);
}

.jp-DbxAgents-banner {
  top: 12px;
  max-height: calc(100% - 24px);
  overflow: auto;
  overflow-wrap: anywhere;
  white-space: pre-line; /* a line for each of several files */
}

.jp-DbxAgents-bar {
  border-bottom: 1px solid var(--jp-border-color1);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
}

.jp-DbxAgents-bar > div {
  display: flex;
  align-items: center;
  gap: 12px;
  padding: 4px 12px;
}

.jp-DbxAgents-bar > div > div {
  flex: 1;
}

.jp-DbxAgents-bar p {
  margin: 2px 0;
}

:is(.jp-DbxAgents-banner, .jp-DbxAgents-bar) button {
  margin: 2px 0 2px 8px;
  padding: 2px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font: inherit;
  cursor: pointer;
}

:is(.jp-DbxAgents-banner, .jp-DbxAgents-bar) button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-DbxAgents-diff {
  max-height: 40vh;
  margin: 4px 0;
  padding: 4px 8px;
  overflow: auto;
  border: 1px solid var(--jp-border-color2);
  background: var(--jp-layout-color0);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
}

.jp-DbxAgents-diff [data-sign="+"] {
  color: var(--jp-ui-font-color0);
  background: color-mix(in srgb, var(--jp-success-color1) 22%, transparent);
}

.jp-DbxAgents-diff [data-sign="-"] {
  color: var(--jp-ui-font-color0);
  background: color-mix(in srgb, var(--jp-error-color1) 22%, transparent);
}

/*
 * What an agent does, on the tab of its terminal; the words are in the tab's caption.  It stands
 * before the name, whose end is cut off when it is long.
 */
.lm-TabBar-tab[data-dbx-agents-state] .lm-TabBar-tabLabel::before {
  margin-right: 5px;
  font-weight: bold;
}

.lm-TabBar-tab[data-dbx-agents-state="working"] .lm-TabBar-tabLabel::before {
  content: "●";
  color: var(--jp-success-color1);
}

.lm-TabBar-tab:is([data-dbx-agents-state="permission"], [data-dbx-agents-state="question"])
  .lm-TabBar-tabLabel::before {
  content: "!";
  padding: 0 5px;
  border-radius: 8px;
  background: #b35900;
  color: #fff;
}

.lm-TabBar-tab[data-dbx-agents-state="failed"] .lm-TabBar-tabLabel::before {
  content: "✕";
  color: var(--jp-error-color1);
}

.lm-TabBar-tab[data-dbx-agents-state="done"] .lm-TabBar-tabLabel::before {
  content: "✓";
  color: var(--jp-success-color1);
}

.jp-DbxAgents-go {
  border: 0;
  padding: 2px 0;
  background: none;
  color: inherit;
  font: inherit;
  text-align: left;
  cursor: pointer;
}

.jp-DbxAgents-go:hover:enabled {
  text-decoration: underline;
}

.jp-DbxAgents-Panel li[data-needs-you] {
  border-left: 3px solid #b35900;
  padding-left: 6px;
}

/* A terminal that has ended with the server. */
.jp-DbxAgents-ended .lm-TabBar-tabLabel {
  color: var(--jp-ui-font-color2);
  font-style: italic;
}

/* What an agent did when it was last heard of. */
.jp-DbxAgents-isOffline .lm-TabBar-tab[data-dbx-agents-terminal] .lm-TabBar-tabLabel {
  color: var(--jp-ui-font-color2);
}

.jp-DbxAgents-isOffline .lm-TabBar-tab[data-dbx-agents-terminal] .lm-TabBar-tabLabel::before {
  filter: grayscale(1);
}

:is(.jp-DbxAgents-isOffline .lm-TabBar-tab[data-dbx-agents-terminal], .jp-DbxAgents-ended)
  .lm-TabBar-tabIcon {
  filter: grayscale(1);
  opacity: 0.6;
}
`,""]),n.d(t,{},{A:i})},42(e,t,n){var o=n(43),r=n.n(o),a=n(44),i=n.n(a),p=n(45),s=n(46),l=n(47),d=i()(r());d.i(p.A),d.i(s.A),d.i(l.A),d.push([e.id,`
`,""]),n.d(t,{},{A:d})},46(e,t,n){var o=n(43),r=n.n(o),a=n(44),i=(n.n(a))()(r());i.push([e.id,`.jp-DbxAgents-Launcher {
  container-type: inline-size;
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-Launcher-content {
  box-sizing: border-box;
  width: 100%;
  max-width: 1080px;
  height: max-content;
  padding: 20px 28px 32px;
}

.jp-DbxAgents-Launcher :is(h2, p, ul) {
  margin: 0;
  padding: 0;
}

.jp-DbxAgents-Launcher ul {
  list-style: none;
}

.jp-DbxAgents-Launcher h2 {
  font-size: var(--jp-ui-font-size2);
  font-weight: 600;
  color: var(--jp-ui-font-color0);
}

.jp-DbxAgents-Launcher section {
  margin-bottom: 26px;
}

.jp-DbxAgents-Launcher [role="status"]:not(:empty) {
  margin-bottom: 14px;
}

.jp-DbxAgents-Launcher section > h2 {
  margin-bottom: 8px;
}

.jp-DbxAgents-before > section {
  padding: 10px 12px;
  border: 1px solid #b35900;
  border-radius: 6px;
  box-shadow: inset 3px 0 #b35900;
}

.jp-DbxAgents-before button {
  height: 28px;
  padding: 0 12px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
}

.jp-DbxAgents-Launcher .jp-DbxAgents-running {
  display: grid;
  grid-template-columns: repeat(auto-fill, minmax(264px, 1fr));
  gap: 10px;
}

.jp-DbxAgents-cards {
  display: flex;
  flex-wrap: wrap;
  gap: 10px;
}

.jp-DbxAgents-cards li {
  flex: 1 1 96px;
  max-width: 156px;
}

.jp-DbxAgents-Launcher button {
  font: inherit;
  color: inherit;
  cursor: pointer;
}

.jp-DbxAgents-Launcher :is(.jp-DbxAgents-running button, .jp-LauncherCard) {
  box-sizing: border-box;
  width: 100%;
  height: 100%;
  min-height: 0;
  margin: 0;
  border: 1px solid var(--jp-border-color1);
  border-radius: 6px;
  background: var(--jp-layout-color1);
  box-shadow: none;
}

.jp-DbxAgents-Launcher :is(.jp-DbxAgents-running button, .jp-LauncherCard):hover {
  background: var(--jp-layout-color2);
}

.jp-DbxAgents-Launcher .jp-DbxAgents-running button {
  display: flex;
  gap: 10px;
  padding: 10px 12px;
  text-align: left;
}

.jp-DbxAgents-running button > span:last-child {
  display: flex;
  flex: 1;
  flex-direction: column;
  gap: 2px;
  min-width: 0;
}

.jp-DbxAgents-running button > span:last-child > span {
  flex: none;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-DbxAgents-Launcher .jp-DbxAgents-running button[data-needs-you] {
  border-color: #b35900;
  box-shadow: inset 3px 0 #b35900;
}

.jp-DbxAgents-Launcher .jp-LauncherCard {
  align-items: center;
  gap: 2px;
  min-height: 104px;
  padding: 14px 6px 10px;
  text-align: center;
}

.jp-DbxAgents-Launcher button[aria-disabled] {
  cursor: default;
  opacity: 0.75;
}

.jp-DbxAgents-Launcher .jp-LauncherCard-label {
  min-height: 0;
  padding: 6px 0 0;
  font-weight: 600;
}

.jp-DbxAgents-Launcher .jp-LauncherCard .jp-DbxAgents-quiet {
  max-width: 100%;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-folderLine {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 8px 10px;
  margin-bottom: 10px;
}

.jp-DbxAgents-Launcher :is(select, textarea).jp-mod-styled {
  box-sizing: border-box;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font: inherit;
}

.jp-DbxAgents-Launcher select.jp-mod-styled {
  appearance: auto; /* its arrow is what tells it from a field */
  flex: 0 1 320px;
  min-width: 0;
  height: 28px;
  padding: 0 6px;
}

.jp-DbxAgents-Launcher textarea.jp-mod-styled {
  display: block;
  width: 100%;
  min-height: 34px;
  max-height: 160px;
  margin-bottom: 10px;
  padding: 7px 10px;
  resize: vertical;
  field-sizing: content;
}

.jp-DbxAgents-Launcher textarea::placeholder {
  color: var(--jp-ui-font-color2);
  opacity: 1;
}

.jp-DbxAgents-Launcher button.jp-mod-styled {
  height: 28px;
  line-height: 26px;
  padding: 0 12px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  letter-spacing: 0;
}

.jp-DbxAgents-Launcher button.jp-mod-styled:hover {
  background: var(--jp-layout-color2);
}

.jp-DbxAgents-Launcher .jp-DbxAgents-projects {
  display: grid;
  grid-template-columns: fit-content(45%) fit-content(25%) max-content max-content;
  align-items: center;
  gap: 6px 24px;
}

.jp-DbxAgents-projects li {
  display: contents;
}

.jp-DbxAgents-projects [data-level="warning"] {
  padding: 1px 9px;
  border-radius: 9px;
  background: #b35900; /* white on it can be read in both themes */
  color: #fff;
}

.jp-DbxAgents-projects [data-level="warning"]::before {
  content: none;
}

.jp-DbxAgents-running [data-level="warning"] {
  font-weight: 600;
}

.jp-DbxAgents-others {
  display: flex;
  flex-wrap: wrap;
  gap: 4px 6px;
  padding-top: 12px;
  border-top: 1px solid var(--jp-border-color2);
}

.jp-DbxAgents-Launcher .jp-DbxAgents-others button {
  display: flex;
  align-items: center;
  gap: 6px;
  padding: 4px 8px;
  border: 1px solid transparent;
  border-radius: var(--jp-border-radius);
  background: none;
}

.jp-DbxAgents-Launcher .jp-DbxAgents-others button:hover {
  background: var(--jp-layout-color2);
}

.jp-DbxAgents-Launcher :is(button, select, textarea):focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

/* Narrow is the launcher, as on a phone or beside another tab, and not only the window. */
@container (width < 500px) {
  .jp-DbxAgents-Launcher-content {
    padding: 12px 12px 24px;
  }

  .jp-DbxAgents-cards {
    gap: 8px;
  }

  .jp-DbxAgents-cards li {
    flex-basis: 84px;
  }

  .jp-DbxAgents-Launcher .jp-DbxAgents-projects {
    grid-template-columns: 1fr max-content;
    gap: 2px 10px;
  }

  .jp-DbxAgents-projects li > :nth-child(3) {
    grid-column: 1;
    margin-bottom: 8px;
  }

  .jp-DbxAgents-projects li > button {
    grid-column: 2;
  }
}
`,""]),n.d(t,{},{A:i})},47(e,t,n){var o=n(43),r=n.n(o),a=n(44),i=(n.n(a))()(r());i.push([e.id,`/* The bar of keys below a terminal; shown in narrow windows only. */
.jp-DbxAgents-KeyBar {
  display: grid;
  grid-template-columns: repeat(6, 1fr);
  grid-auto-rows: 42px;
  gap: 3px;
  min-height: 94px;
  box-sizing: border-box;
  padding: 3px;
  border-top: 1px solid var(--jp-border-color1);
  background: var(--jp-layout-color2);
}

.jp-DbxAgents-KeyBar button {
  min-width: 40px;
  padding: 0;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font: inherit;
  font-size: 15px;
  touch-action: manipulation; /* two taps are two keys, and not a zoom */
  user-select: none;
  cursor: pointer;
}

/* Enter, at the end of both rows. */
.jp-DbxAgents-KeyBar button:nth-child(6) {
  grid-row: span 2;
}

.jp-DbxAgents-KeyBar button:active {
  background: var(--jp-layout-color3);
}

.jp-DbxAgents-KeyBar button[aria-pressed="true"] {
  border-color: var(--jp-brand-color1);
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
}

.jp-DbxAgents-KeyBar button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

/* As in \`src/phone/plugin.ts\`. */
@media (max-width: 699.98px) {
  .jp-LabShell {
    --jp-sidebar-min-width: min(250px, 40vw);
  }

  .jp-Terminal {
    min-width: 100px; /* and not 240, or it does not fit beside a side bar */
  }

  /* No wider than the window; the last menus are a swipe away. */
  #jp-menu-panel {
    flex: 1 1 0;
    min-width: 0;
  }

  #jp-MainMenu {
    overflow: auto hidden;
  }

  #jp-top-bar {
    flex: 0 0 auto;
  }
}
`,""]),n.d(t,{},{A:i})},44(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",o=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),o&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),o&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,o,r,a){"string"==typeof e&&(e=[[null,e,void 0]]);var i={};if(o)for(var p=0;p<this.length;p++){var s=this[p][0];null!=s&&(i[s]=!0)}for(var l=0;l<e.length;l++){var d=[].concat(e[l]);o&&i[d[0]]||(void 0!==a&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=a),n&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=n),r&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=r):d[4]="".concat(r)),t.push(d))}},t}},43(e){e.exports=function(e){return e[1]}},35(e,t,n){n.r(t);var o=n(36),r=n.n(o),a=n(37),i=n.n(a),p=n(38),s=n.n(p),l=n(39),d=n.n(l),b=n(40),c=n.n(b),x=n(41),g=n.n(x),u=n(42),j={};j.styleTagTransform=g(),j.setAttributes=d(),j.insert=s().bind(null,"head"),j.domAPI=i(),j.insertStyleElement=c(),r()(u.A,j);let f=u.A&&u.A.locals?u.A.locals:void 0;n.d(t,{},{default:f})},36(e){var t=[];function n(e){for(var n=-1,o=0;o<t.length;o++)if(t[o].identifier===e){n=o;break}return n}function o(e,o){for(var r={},a=[],i=0;i<e.length;i++){var p=e[i],s=o.base?p[0]+o.base:p[0],l=r[s]||0,d="".concat(s," ").concat(l);r[s]=l+1;var b=n(d),c={css:p[1],media:p[2],sourceMap:p[3],supports:p[4],layer:p[5]};if(-1!==b)t[b].references++,t[b].updater(c);else{var x=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(c,o);o.byIndex=i,t.splice(i,0,{identifier:d,updater:x,references:1})}a.push(d)}return a}e.exports=function(e,r){var a=o(e=e||[],r=r||{});return function(e){e=e||[];for(var i=0;i<a.length;i++){var p=n(a[i]);t[p].references--}for(var s=o(e,r),l=0;l<a.length;l++){var d=n(a[l]);0===t[d].references&&(t[d].updater(),t.splice(d,1))}a=s}}},38(e){var t={};e.exports=function(e,n){var o=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(n)}},40(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},39(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},37(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var o,r,a;o="",n.supports&&(o+="@supports (".concat(n.supports,") {")),n.media&&(o+="@media ".concat(n.media," {")),(r=void 0!==n.layer)&&(o+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),o+=n.css,r&&(o+="}"),n.media&&(o+="}"),n.supports&&(o+="}"),(a=n.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(o,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},41(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);