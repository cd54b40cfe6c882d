"use strict";(self.rspackChunkjupyter_dbx_agents=self.rspackChunkjupyter_dbx_agents||[]).push([[266],{39(e,t,r){var o=r(37),a=r.n(o),n=r(38),i=(r.n(n))()(a());i.push([e.id,`/* The status bar centres the text of labels, but not of buttons. */
.jp-DbxAgents-StatusItem {
  display: flex;
  align-items: center;
}

.jp-DbxAgents-StatusItem button {
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

.jp-DbxAgents-StatusItem button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.jp-DbxAgents-PatDialog .jp-Dialog-content {
  width: 480px;
  max-width: 92vw;
  max-height: 94vh; /* and not JupyterLab's 80: it fits a low window whole */
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

.jp-DbxAgents-Panel:focus {
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

.jp-DbxAgents-buttons {
  display: flex;
  gap: 6px;
  margin: 6px 0;
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

.jp-DbxAgents-Panel button.jp-mod-styled:disabled {
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
}

.jp-DbxAgents-agent {
  flex: 1 0 auto;
}

.jp-DbxAgents-line > select.jp-mod-styled {
  flex: 1 1 48px;
  min-width: 48px;
  width: 0;
  margin-top: 0;
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

.jp-DbxAgents-clock {
  font-variant-numeric: tabular-nums;
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

/* What this app is for comes first: agents, projects, and a terminal without scrolling. */
.jp-Launcher-content:has([data-category="Agents"]) {
  display: flex;
  flex-direction: column;
}

.jp-Launcher-section:has([data-category="Agents"]) {
  order: -3;
}

.jp-Launcher-section:has([data-category="Projects"]) {
  order: -2;
}

.jp-Launcher-content:has([data-category="Agents"])
  .jp-Launcher-section:has([data-category="Other"]) {
  order: -1;
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

/* What an agent does, on the tab of its terminal; the words are in the tab's caption. */
.lm-TabBar-tab[data-dbx-agents-state] .lm-TabBar-tabLabel::after {
  margin-left: 6px;
  font-weight: bold;
}

.lm-TabBar-tab[data-dbx-agents-state="working"] .lm-TabBar-tabLabel::after {
  content: "●";
  color: var(--jp-success-color1);
}

.lm-TabBar-tab:is([data-dbx-agents-state="permission"], [data-dbx-agents-state="question"])
  .lm-TabBar-tabLabel::after {
  content: "!";
  padding: 0 5px;
  border-radius: 8px;
  background: #b35900;
  color: #fff;
}

.lm-TabBar-tab[data-dbx-agents-state="failed"] .lm-TabBar-tabLabel::after {
  content: "✕";
  color: var(--jp-error-color1);
}

.lm-TabBar-tab[data-dbx-agents-state="done"] .lm-TabBar-tabLabel::after {
  content: "✓";
  color: var(--jp-success-color1);
}

.jp-DbxAgents-line[data-needs-you] {
  border-left: 3px solid #b35900;
  padding-left: 6px;
}

/* A terminal that has ended with the server. */
.jp-DbxAgents-ended .lm-TabBar-tabLabel {
  color: var(--jp-ui-font-color2);
  font-style: italic;
}
`,""]),r.d(t,{},{A:i})},36(e,t,r){var o=r(37),a=r.n(o),n=r(38),i=r.n(n),s=r(39),p=i()(a());p.i(s.A),p.push([e.id,`
`,""]),r.d(t,{},{A:p})},38(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var r="",o=void 0!==t[5];return t[4]&&(r+="@supports (".concat(t[4],") {")),t[2]&&(r+="@media ".concat(t[2]," {")),o&&(r+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),r+=e(t),o&&(r+="}"),t[2]&&(r+="}"),t[4]&&(r+="}"),r}).join("")},t.i=function(e,r,o,a,n){"string"==typeof e&&(e=[[null,e,void 0]]);var i={};if(o)for(var s=0;s<this.length;s++){var p=this[s][0];null!=p&&(i[p]=!0)}for(var l=0;l<e.length;l++){var d=[].concat(e[l]);o&&i[d[0]]||(void 0!==n&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=n),r&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=r),a&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=a):d[4]="".concat(a)),t.push(d))}},t}},37(e){e.exports=function(e){return e[1]}},29(e,t,r){r.r(t);var o=r(30),a=r.n(o),n=r(31),i=r.n(n),s=r(32),p=r.n(s),l=r(33),d=r.n(l),c=r(34),b=r.n(c),u=r(35),g=r.n(u),x=r(36),f={};f.styleTagTransform=g(),f.setAttributes=d(),f.insert=p().bind(null,"head"),f.domAPI=i(),f.insertStyleElement=b(),a()(x.A,f);let j=x.A&&x.A.locals?x.A.locals:void 0;r.d(t,{},{default:j})},30(e){var t=[];function r(e){for(var r=-1,o=0;o<t.length;o++)if(t[o].identifier===e){r=o;break}return r}function o(e,o){for(var a={},n=[],i=0;i<e.length;i++){var s=e[i],p=o.base?s[0]+o.base:s[0],l=a[p]||0,d="".concat(p," ").concat(l);a[p]=l+1;var c=r(d),b={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==c)t[c].references++,t[c].updater(b);else{var u=function(e,t){var r=t.domAPI(t);return r.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&r.update(e=t):r.remove()}}(b,o);o.byIndex=i,t.splice(i,0,{identifier:d,updater:u,references:1})}n.push(d)}return n}e.exports=function(e,a){var n=o(e=e||[],a=a||{});return function(e){e=e||[];for(var i=0;i<n.length;i++){var s=r(n[i]);t[s].references--}for(var p=o(e,a),l=0;l<n.length;l++){var d=r(n[l]);0===t[d].references&&(t[d].updater(),t.splice(d,1))}n=p}}},32(e){var t={};e.exports=function(e,r){var o=function(e){if(void 0===t[e]){var r=document.querySelector(e);if(window.HTMLIFrameElement&&r instanceof window.HTMLIFrameElement)try{r=r.contentDocument.head}catch(e){r=null}t[e]=r}return t[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(r)}},34(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},33(e,t,r){e.exports=function(e){var t=r.nc;t&&e.setAttribute("nonce",t)}},31(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(r){var o,a,n;o="",r.supports&&(o+="@supports (".concat(r.supports,") {")),r.media&&(o+="@media ".concat(r.media," {")),(a=void 0!==r.layer)&&(o+="@layer".concat(r.layer.length>0?" ".concat(r.layer):""," {")),o+=r.css,a&&(o+="}"),r.media&&(o+="}"),r.supports&&(o+="}"),(n=r.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(n))))," */")),e.styleTagTransform(o,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},35(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);