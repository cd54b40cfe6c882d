"use strict";(self.rspackChunkjupyter_dbx_agents=self.rspackChunkjupyter_dbx_agents||[]).push([[266],{32(t,e,o){var r=o(30),n=o.n(r),a=o(31),i=(o.n(a))()(n());i.push([t.id,`/* The status bar centres the text of labels, but not of buttons. */
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
  width: 460px;
  max-width: 90vw;
}

.jp-DbxAgents-PatForm ol {
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

.jp-DbxAgents-said {
  min-height: 1.4em;
  color: var(--jp-error-color1);
}

.jp-DbxAgents-small {
  font-size: var(--jp-ui-font-size0);
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-Panel {
  overflow: auto;
  padding: 4px 12px 16px;
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

.jp-DbxAgents-Panel p {
  margin: 4px 0;
  overflow-wrap: anywhere;
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

.jp-DbxAgents-Panel :is(button, input, select):focus-visible {
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

.jp-DbxAgents-Panel input[type="checkbox"] {
  vertical-align: middle;
  margin: 0 4px 0 0;
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
  padding: 2px 4px 2px 0;
  text-align: left;
  font-weight: normal;
}

.jp-DbxAgents-Panel polyline {
  fill: none;
  stroke: var(--jp-brand-color1);
  stroke-width: 1.5;
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

.jp-DbxAgents-notice,
.jp-DbxAgents-hint {
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

.jp-DbxAgents-notice {
  top: 12px;
}

.jp-DbxAgents-hint {
  bottom: 16px;
}

.jp-DbxAgents-hint p {
  margin: 2px 0;
}

:is(.jp-DbxAgents-notice, .jp-DbxAgents-hint) button {
  margin: 2px 0 2px 8px;
  padding: 2px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font: inherit;
  cursor: pointer;
}

.jp-DbxAgents-hint button {
  display: block;
  margin-left: auto;
}

:is(.jp-DbxAgents-notice, .jp-DbxAgents-hint) button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

/* What this app is for comes first. */
.jp-Launcher-content:has([data-category="Agents"]) {
  display: flex;
  flex-direction: column;
}

.jp-Launcher-section:has([data-category="Agents"]) {
  order: -1;
}
`,""]),o.d(e,{},{A:i})},29(t,e,o){var r=o(30),n=o.n(r),a=o(31),i=o.n(a),s=o(32),p=i()(n());p.i(s.A),p.push([t.id,`
`,""]),o.d(e,{},{A:p})},31(t){t.exports=function(t){var e=[];return e.toString=function(){return this.map(function(e){var o="",r=void 0!==e[5];return e[4]&&(o+="@supports (".concat(e[4],") {")),e[2]&&(o+="@media ".concat(e[2]," {")),r&&(o+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),o+=t(e),r&&(o+="}"),e[2]&&(o+="}"),e[4]&&(o+="}"),o}).join("")},e.i=function(t,o,r,n,a){"string"==typeof t&&(t=[[null,t,void 0]]);var i={};if(r)for(var s=0;s<this.length;s++){var p=this[s][0];null!=p&&(i[p]=!0)}for(var l=0;l<t.length;l++){var c=[].concat(t[l]);r&&i[c[0]]||(void 0!==a&&(void 0===c[5]||(c[1]="@layer".concat(c[5].length>0?" ".concat(c[5]):""," {").concat(c[1],"}")),c[5]=a),o&&(c[2]&&(c[1]="@media ".concat(c[2]," {").concat(c[1],"}")),c[2]=o),n&&(c[4]?(c[1]="@supports (".concat(c[4],") {").concat(c[1],"}"),c[4]=n):c[4]="".concat(n)),e.push(c))}},e}},30(t){t.exports=function(t){return t[1]}},22(t,e,o){o.r(e);var r=o(23),n=o.n(r),a=o(24),i=o.n(a),s=o(25),p=o.n(s),l=o(26),c=o.n(l),d=o(27),u=o.n(d),b=o(28),g=o.n(b),x=o(29),f={};f.styleTagTransform=g(),f.setAttributes=c(),f.insert=p().bind(null,"head"),f.domAPI=i(),f.insertStyleElement=u(),n()(x.A,f);let j=x.A&&x.A.locals?x.A.locals:void 0;o.d(e,{},{default:j})},23(t){var e=[];function o(t){for(var o=-1,r=0;r<e.length;r++)if(e[r].identifier===t){o=r;break}return o}function r(t,r){for(var n={},a=[],i=0;i<t.length;i++){var s=t[i],p=r.base?s[0]+r.base:s[0],l=n[p]||0,c="".concat(p," ").concat(l);n[p]=l+1;var d=o(c),u={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==d)e[d].references++,e[d].updater(u);else{var b=function(t,e){var o=e.domAPI(e);return o.update(t),function(e){e?(e.css!==t.css||e.media!==t.media||e.sourceMap!==t.sourceMap||e.supports!==t.supports||e.layer!==t.layer)&&o.update(t=e):o.remove()}}(u,r);r.byIndex=i,e.splice(i,0,{identifier:c,updater:b,references:1})}a.push(c)}return a}t.exports=function(t,n){var a=r(t=t||[],n=n||{});return function(t){t=t||[];for(var i=0;i<a.length;i++){var s=o(a[i]);e[s].references--}for(var p=r(t,n),l=0;l<a.length;l++){var c=o(a[l]);0===e[c].references&&(e[c].updater(),e.splice(c,1))}a=p}}},25(t){var e={};t.exports=function(t,o){var r=function(t){if(void 0===e[t]){var o=document.querySelector(t);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(t){o=null}e[t]=o}return e[t]}(t);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(o)}},27(t){t.exports=function(t){var e=document.createElement("style");return t.setAttributes(e,t.attributes),t.insert(e,t.options),e}},26(t,e,o){t.exports=function(t){var e=o.nc;e&&t.setAttribute("nonce",e)}},24(t){t.exports=function(t){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=t.insertStyleElement(t);return{update:function(o){var r,n,a;r="",o.supports&&(r+="@supports (".concat(o.supports,") {")),o.media&&(r+="@media ".concat(o.media," {")),(n=void 0!==o.layer)&&(r+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),r+=o.css,n&&(r+="}"),o.media&&(r+="}"),o.supports&&(r+="}"),(a=o.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),t.styleTagTransform(r,e,t.options)},remove:function(){var t;null===(t=e).parentNode||t.parentNode.removeChild(t)}}}},28(t){t.exports=function(t,e){if(e.styleSheet)e.styleSheet.cssText=t;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(t))}}}}]);